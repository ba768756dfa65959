"""What a user may say about a file by hand: --format, --delimiter, --quoting and so on."""

import codecs
from dataclasses import dataclass
from typing import Literal

from inference.tables.errors import TableError
from inference.tables.formats import FileFormat

# Standard: a quoted field may hold separators and line ends, and "" for a quote (RFC 4180).
# Backslash: the same with \" for a quote, as Spark and MySQL write it.
# None: a quote is a character like any other.
Quoting = Literal["standard", "backslash", "none"]

DELIMITERS = {
    "tab": "\t",
    r"\t": "\t",
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
    "space": " ",
    "none": "",
}
NAMES = {character: name for name, character in DELIMITERS.items() if name != r"\t"}


@dataclass(frozen=True)
class ReadOptions:
    """How to read a file; what is None is recognized by the file's content.

    Raises:
        TableError: there is no such delimiter or encoding.
    """

    file_format: FileFormat | None = None
    delimiter: str | None = None  # one ASCII character or its name; "none": there is one column
    quoting: Quoting | None = None
    encoding: str | None = None  # a name that Python knows
    no_header: bool = False  # columns are named by their positions from 0

    def __post_init__(self) -> None:
        if self.delimiter is not None:
            object.__setattr__(self, "delimiter", _parse_delimiter(self.delimiter))
        if self.encoding is not None:
            object.__setattr__(self, "encoding", _normalize_encoding(self.encoding))


def _parse_delimiter(given: str) -> str:
    delimiter = DELIMITERS.get(given, given)
    if len(delimiter) > 1 or delimiter in ('"', "\n", "\r") or not delimiter.isascii():
        raise TableError(
            f"--delimiter: {given!r} cannot separate columns",
            remedy=f"give one ASCII character or one of {', '.join(DELIMITERS)}",
        )
    return delimiter


def _normalize_encoding(given: str) -> str:
    try:
        info = codecs.lookup(given)
        "a\n".encode(info.name)
    except (LookupError, ValueError):
        raise TableError(
            f"--encoding: there is no text encoding {given!r}",
            remedy="common ones are utf-8, utf-16, cp1252 (Windows, Western Europe) and latin-1",
        ) from None
    return {"utf-8-sig": "utf-8"}.get(info.name, info.name)
