"""Serves a model bundle: everything in the Lambda image, nothing of training."""
