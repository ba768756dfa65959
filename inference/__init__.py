"""Serves a bundle. Nearly all of it goes into the Lambda image, which has no training code."""
