"""The prediction log: written by the API, read to measure drift and to compare models."""
