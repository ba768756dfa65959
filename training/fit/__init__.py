"""One training run: settings, encoder, objective, batches, checkpoint, loop."""
