"""Rows, the columns they are read from, and rejects: what could not be read as a row."""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MAX_CHARACTERS = csv.field_size_limit()  # of one text; the csv module's own limit, 131,072


@dataclass(frozen=True, slots=True)
class Row:
    """A text and the values of its other columns that are kept."""

    line: int  # where the row begins in the file, from 1; in Parquet the number of the row
    text: str
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that could not be read as a row."""

    line: int
    reason: str


@dataclass(frozen=True)
class InputColumns:
    """The columns to read: names, or positions from 0 in CSV and TSV files without a header."""

    text: str
    keep: tuple[str, ...] = ()

    @property
    def by_position(self) -> bool:
        """Whether a CSV or TSV file has no header."""
        return self.text.isdecimal()


def make_row(line: int, text: Any, kept: Iterable[Any]) -> Row | Reject:
    """Check a text, which may be any value of JSON or Parquet, and make a row of it."""
    if text is None:
        return Reject(line, "the text is missing")
    if not isinstance(text, str):
        return Reject(line, "the text is not a string")
    if not text.strip():
        return Reject(line, "the text is blank")
    if len(text) > MAX_CHARACTERS:
        return Reject(line, f"the text has more than {MAX_CHARACTERS} characters")
    row = Row(line, text, tuple(_to_text(value) for value in kept))
    try:
        "".join((row.text, *row.kept)).encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8, or half a surrogate pair in JSON
        return Reject(line, "not valid UTF-8")
    return row


def _to_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (dict, list, bool)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
