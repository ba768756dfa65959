"""How good a model is where a text may have several labels, or none."""
