"""The request to score files, and the error of a run that cannot fulfil it."""

from dataclasses import dataclass, field

from inference.errors import TextClassifierError
from inference.tables.columns import InputColumns
from inference.tables.options import ReadOptions


class BulkError(TextClassifierError):
    """A bulk run cannot go on; the message says what to do."""


@dataclass(frozen=True)
class ScoringRequest:
    """A user's request to score a file, or on a stack all files under a prefix."""

    input: str
    output: str
    model_uri: str
    columns: InputColumns
    options: ReadOptions = field(default_factory=ReadOptions)  # what is said of the input by hand
