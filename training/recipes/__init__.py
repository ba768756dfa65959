"""Ways to improve a model: soup, search."""
