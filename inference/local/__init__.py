"""Runs the whole system on one machine; not in the image."""
