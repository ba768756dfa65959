"""Ways to improve a model: average several, search for better settings."""
