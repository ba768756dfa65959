"""One training run: settings, base model, targets, batches, loop, checkpoint, record."""
