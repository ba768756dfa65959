"""The error of files that cannot be read."""

from inference.errors import TextClassifierError


class TableError(TextClassifierError):
    """A file cannot be read or written as rows; the message says what to do."""
