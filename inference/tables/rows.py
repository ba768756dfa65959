"""Rows, and rejects: what could not be read as a row."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from inference.tables.errors import show


class Row(NamedTuple):
    """A text and the values of its other columns that are kept."""

    line: int  # where the row begins in the file, from 1; in Parquet the number of the row
    text: str
    kept: tuple[str, ...]


class Reject(NamedTuple):
    """A row that could not be read."""

    line: int
    reason: str
    excerpt: str = ""  # at most 100 characters of it

    def describe(self) -> str:
        """Describe the reject in one line."""
        reason = f"line {self.line}: {self.reason}"
        return f"{reason}: {self.excerpt}" if self.excerpt else reason


class MissingKey(str):
    """The reason of a reject that lacks a column, in a format whose rows name their columns."""

    __slots__ = ()


# Characters that show nothing: blanks, controls, zero-width and other invisible ones.
_INVISIBLE = (
    r"\s\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_BLANK = re.compile(f"[{_INVISIBLE}]*+")

MISSING = "the text is missing"
NOT_A_STRING = "the text is not a string"
BLANK = "the text is blank"
NOT_UTF8 = "not valid in the file's encoding"


def is_blank(text: str) -> bool:
    """Whether a text shows nothing to a reader."""
    return not "!" <= text[:1] <= "~" and _BLANK.fullmatch(text) is not None


def make_row(line: int, text: Any, kept: Sequence[Any]) -> Row | Reject:
    """Check a text, which may be any value of JSON or Parquet, and make a row of it."""
    if text is None:
        return Reject(line, MISSING)
    if not isinstance(text, str):
        return Reject(line, NOT_A_STRING, show(str(text)))
    return check_text(Row(line, text, tuple(map(_to_text, kept))))


def check_text(row: Row) -> Row | Reject:
    """Return the row, or a reject if its text is blank or its values are no characters."""
    for value in (row.text, *row.kept):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:  # bytes not of the encoding, or half a surrogate pair
                return Reject(row.line, NOT_UTF8, show(value))
    if is_blank(row.text):
        return Reject(row.line, BLANK, show(row.text) if row.text else "")
    return row


def _to_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, (dict, list, bool)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
