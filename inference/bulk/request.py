"""What to score, with which model, and where the output goes."""

from dataclasses import dataclass

from inference.tables.formats import FileFormat
from inference.tables.rows import InputColumns


@dataclass(frozen=True)
class ScoringRequest:
    """A user's request to score a file, or on a stack all files under a prefix."""

    input: str
    output: str
    model_uri: str
    columns: InputColumns
    file_format: FileFormat | None = None  # None: by the input's name
