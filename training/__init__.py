"""Makes a model bundle: read, split, fine-tune, evaluate, export, publish."""
