"""Runs the whole system on one machine; the image leaves this package out."""
