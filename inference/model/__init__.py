"""Bundles and classifiers: verify, fetch, publish, list and load them."""
