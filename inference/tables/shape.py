"""What the rows of a file look like, to tell the lines of a long text from rows.

A quoted field over several lines may be a text, or two stray quotes with whole rows between them.
It is the latter if the lines look like rows: they have the width of rows, numbers where rows have
numbers, and known values where rows have few different values, such as labels.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

NUMBER = re.compile(rb"[-+]?\d[-+\d.,:/ TZe]*")  # a date or a time too
LEAST_NUMBERS = 2  # rows that make a column one of numbers
LEAST_ROWS = 20  # rows that make a column one of few values
MAX_VALUES = 20  # different values in such a column
MOST_LINES = 0.9  # share of the lines that look like rows, if they are rows
# The lines that a record must have to be taken for rows: prose often holds a comma and seldom a
# tab, and if other texts have line breaks, one with a list in it is likelier than stray quotes.
LEAST_LINES = 3
LEAST_LINES_TAB = 2
LEAST_LINES_TEXT = 10
MAX_LINES = 1000  # looked at


@dataclass(frozen=True)
class Shape:
    """The width of rows, and the columns in which their values are alike."""

    delimiter: str
    width: int
    numbers: tuple[int, ...] = ()
    values: dict[int, tuple[int, ...]] = field(default_factory=dict)  # CRC-32: holds no content
    has_line_breaks: bool = False  # whether texts of some rows go over several lines

    def is_row(self, fields: Sequence[bytes]) -> bool:
        """Whether these are like the fields of a row."""
        if len(fields) != self.width:
            return False
        return all(NUMBER.fullmatch(_strip(fields[n])) for n in self.numbers) and all(
            zlib.crc32(_strip(fields[n])) in known for n, known in self.values.items()
        )

    def has_rows_within(self, record: bytes) -> bool:
        """Whether the lines of a record look like rows themselves."""
        if self.width < 2:
            return False
        least = LEAST_LINES_TAB if self.delimiter == "\t" else LEAST_LINES
        if self.has_line_breaks:
            least = LEAST_LINES_TEXT
        lines = first_lines(record)
        if len(lines) < least or not self.is_row_line(lines[0]):
            return False
        allowed = int((1 - MOST_LINES) * len(lines))
        for line in lines:
            if not self.is_row_line(line):
                allowed -= 1
            if allowed < 0:
                return False
        return True

    def is_row_line(self, line: bytes) -> bool:
        """Whether a line without regard to quotes looks like a row."""
        delimiter = self.delimiter.encode()
        return self.is_row(line.split(delimiter) if delimiter else [line])


def first_lines(record: bytes) -> list[bytes]:
    """Return the lines of a record, or as many of them as are looked at."""
    return record.split(b"\n", MAX_LINES)[:MAX_LINES]


def learn_shape(delimiter: str, rows: Sequence[Sequence[bytes]], width: int) -> Shape:
    """Find the columns in which the values of some rows are alike."""
    rows = [row for row in rows if len(row) == width]
    numbers: list[int] = []
    values: dict[int, tuple[int, ...]] = {}
    for position in range(width):
        column = [_strip(row[position]) for row in rows]
        known = set(column)
        if len(column) >= LEAST_NUMBERS and all(map(NUMBER.fullmatch, column)):
            numbers.append(position)
        elif len(column) >= LEAST_ROWS and len(known) <= MAX_VALUES:
            values[position] = tuple(sorted(map(zlib.crc32, known)))
    return Shape(delimiter, width, tuple(numbers), values)


def _strip(field: bytes) -> bytes:
    return field.strip(b'" \r')
