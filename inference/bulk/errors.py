"""The errors of bulk scoring."""

from inference.errors import TextClassifierError


class BulkError(TextClassifierError):
    """A bulk run cannot go on; the message says what to do."""
