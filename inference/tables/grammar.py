r"""The grammar of delimited rows, as regular expressions on bytes.

The csv module is not used: after an error it goes on with the line at which it noticed the error,
not with the second line of the row; it reports a quote that is never closed only at the end of the
file; a lone ``\r`` ends its rows; and it is slower, because it is handed line by line. On content
without errors both give the same fields, which the tests show.
"""

import re
from functools import cached_property

from inference.tables.options import Quoting

Pattern = re.Pattern[bytes]

_OPENED: dict[Quoting, str] = {  # a quoted field up to its closing quote
    "standard": r'"[^"]*+(?:""[^"]*+)*+',
    "backslash": r'"[^"\\]*+(?:\\.[^"\\]*+)*+',
}
_OPENED_LINE: dict[Quoting, str] = {  # the same within a line
    "standard": r'"[^"\n]*+(?:""[^"\n]*+)*+',
    "backslash": r'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+',
}
_LINE_END = r"\r?+(?:\n|\Z)"
_ESCAPED = re.compile(rb'\\(["\\])')


class Grammar:
    """How the fields of a row are separated and quoted."""

    def __init__(self, delimiter: str, quoting: Quoting, *, spaced: bool = False) -> None:
        """Describe rows; ``spaced`` says that blanks may come before and after quoted fields."""
        self.delimiter, self.quoting, self.spaced = delimiter.encode(), quoting, spaced
        self._separator = re.escape(delimiter) if delimiter else "(?!)"
        blanks = " *+" if spaced else ""
        plain, clean = _plain(delimiter), _plain(delimiter + '"')
        if quoting == "none":
            self._field = self._clean_field = self._line_field = self._opened = plain
            return
        self._field = f'(?:{blanks}{_OPENED[quoting]}"{blanks}|(?!{blanks}"){plain})'
        self._clean_field = f'(?:{blanks}{_OPENED[quoting]}"{blanks}|{clean})'
        self._line_field = f'(?:{blanks}{_OPENED_LINE[quoting]}"{blanks}|{clean})'
        self._opened = f"(?:{self._field}{self._separator})*+{blanks}{_OPENED[quoting]}\\Z"

    @cached_property
    def record(self) -> Pattern:
        """The pattern of a record with any number of fields."""
        return _compile(f"{self._field}(?:{self._separator}{self._field})*+{_LINE_END}")

    @cached_property
    def opened(self) -> Pattern:
        """The pattern of a record whose last quoted field has not ended at the end of the data."""
        return _compile(self._opened)

    def match_clean(self, width: int) -> Pattern:
        """Return the pattern of records of this width as a program that quotes writes them.

        Quotes are only where a field begins and ends, or doubled in between.
        """
        fields = _repeat(f"{self._clean_field}{self._separator}", width - 1) + self._clean_field
        return _compile(fields + _LINE_END)

    def match_lines(self, width: int) -> Pattern | None:
        """Return the pattern of whole lines that are such records; None without quoting."""
        if self.quoting == "none":
            return None
        fields = _repeat(f"{self._line_field}{self._separator}", width - 1) + self._line_field
        return _compile(rf"(?:{fields}\r?+\n)++")

    @cached_property
    def _fields(self) -> Pattern:
        return _compile(f"({self._field}){self._separator}")

    def split(self, record: bytes) -> list[bytes]:
        """Return the values of a record, given without its line end."""
        if self.quoting == "none" or b'"' not in record:
            return record.split(self.delimiter) if self.delimiter else [record]
        if not self.delimiter:
            return [self.unquote(record)]
        return [self.unquote(field) for field in self._fields.findall(record + self.delimiter)]

    def unquote(self, field: bytes) -> bytes:
        """Return the value of a field."""
        stripped = field.strip(b" ") if self.spaced else field
        if stripped[:1] != b'"' or self.quoting == "none":
            return field
        if self.quoting == "backslash":
            return _ESCAPED.sub(rb"\1", stripped[1:-1])
        return stripped[1:-1].replace(b'""', b'"')


def strip_line_end(line: bytes) -> bytes:
    r"""Return a line or record without the ``\n`` or ``\r\n`` at its end."""
    return line.removesuffix(b"\n").removesuffix(b"\r")


def unify_line_ends(lines: bytes) -> bytes:
    r"""Return whole lines without quotes separated by ``\n`` alone."""
    lines = lines.replace(b"\r\n", b"\n")
    return lines.removesuffix(b"\n" if lines.endswith(b"\n") else b"\r")


def _plain(excluded: str) -> str:
    r"""Return the pattern of an unquoted field; a ``\r`` within a line is a character."""
    character = f"[^{re.escape(excluded)}\\n\\r]"
    return f"{character}*+(?:\\r(?!\\n|\\Z){character}*+)*+"


def _repeat(pattern: str, times: int) -> str:
    return f"(?:{pattern}){{{times}}}" if times else ""


def _compile(pattern: str) -> Pattern:
    return re.compile(pattern.encode(), re.DOTALL)
