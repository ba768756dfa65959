"""How good a model is, next to a baseline and to other models."""
