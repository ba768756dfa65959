"""The error that ends a benchmark with a message."""

from inference.errors import TextClassifierError


class BenchError(TextClassifierError):
    """Something cannot be measured; the message says why and where to read more."""
