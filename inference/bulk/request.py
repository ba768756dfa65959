"""The request to score files, and the error of a run that cannot fulfil it."""

from dataclasses import dataclass

from inference.errors import TextClassifierError
from inference.tables.formats import FileFormat
from inference.tables.rows import InputColumns


class BulkError(TextClassifierError):
    """A bulk run cannot go on; the message says what to do."""


@dataclass(frozen=True)
class ScoringRequest:
    """A user's request to score a file, or on a stack all files under a prefix."""

    input: str
    output: str
    model_uri: str
    columns: InputColumns
    file_format: FileFormat | None = None  # None: by the input's name
