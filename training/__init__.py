"""Make a bundle: read and split data, fine-tune, evaluate, export."""
