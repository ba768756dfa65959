"""Read the rows of a CSV or TSV file."""

import csv
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from inference.tables.blocks import Blocks
from inference.tables.columns import InputColumns
from inference.tables.errors import show
from inference.tables.grammar import strip_line_end, unify_line_ends
from inference.tables.layout import Dialect
from inference.tables.options import NAMES
from inference.tables.rows import Reject, Row, check_text
from inference.tables.split import Part, Splitter

Fields = Sequence[str]


def read_delimited(
    file: BinaryIO, dialect: Dialect, columns: InputColumns, line: int
) -> Iterator[Row | Reject]:
    """Read rows from where the file is now; empty lines are skipped.

    Args:
        file: the content.
        dialect: how it is written.
        columns: the columns to read.
        line: the number of the first line.

    Raises:
        TableError: the file lacks a column.
    """
    parser = _Parser(dialect, columns)
    for part in Splitter(Blocks(file), parser.grammar, dialect.shape, line, parser.parse_lines):
        if part.problem:
            yield Reject(part.line, part.problem, show(strip_line_end(part.data)))
        else:
            yield from parser.make_rows(part)


class _Parser:
    """Makes rows of the parts of a file."""

    def __init__(self, dialect: Dialect, columns: InputColumns) -> None:
        self.grammar = dialect.make_grammar()
        self._delimiter, self._width = dialect.shape.delimiter, dialect.shape.width
        text, *self._kept = dialect.find(columns)
        self._text = text or 0  # it is never None
        separator = NAMES.get(self._delimiter, repr(self._delimiter))
        self._expected = f"{self._width} columns separated by {separator}"
        self._is_standard = dialect.quoting == "standard" and not dialect.spaced

    def parse_lines(self, data: bytes) -> list[list[str]] | None:
        """Parse many lines at once, if each is a record; None if one is not, or without quotes.

        The csv module is fast, and gives the same fields as the grammar where there are no errors.
        """
        if b'"' not in data or not (self._is_standard and self._delimiter):
            return None
        lines = unify_line_ends(data)
        if b"\r" in lines:  # which ends the csv module's rows
            return None
        try:
            texts = lines.decode().split("\n")
            records = list(csv.reader(texts, delimiter=self._delimiter, strict=True))
        except (UnicodeDecodeError, csv.Error):
            return None
        return records if len(records) == len(texts) else None

    def make_rows(self, part: Part) -> Iterator[Row | Reject]:
        """Make rows of lines or of one record."""
        width, text, kept = self._width, self._text, self._kept
        is_ascii = part.data.isascii()
        for number, fields in enumerate(self._split(part), part.line):
            if len(fields) == width:
                values = tuple(["" if one is None else fields[one] for one in kept])
                row = Row(number, fields[text], values)
                yield row if is_ascii and "!" <= row.text[:1] <= "~" else check_text(row)
            elif fields:
                problem = f"expected {self._expected}, found {len(fields)}"
                yield Reject(number, problem, show(self._delimiter.join(fields)))

    def _split(self, part: Part) -> Iterator[Fields] | Sequence[Fields]:
        """Split records into fields; an empty line has none."""
        if part.records is not None:
            return part.records
        if part.is_record:
            return [self._split_record(strip_line_end(part.data))]
        lines = unify_line_ends(part.data)
        if b'"' in part.data and self.grammar.quoting != "none":
            return map(self._split_record, lines.split(b"\n"))
        # Bytes that are not UTF-8 become surrogates, which ``check_text`` rejects.
        texts = lines.decode(errors="surrogateescape").split("\n")
        if not self._delimiter:
            return ([text] if text else [] for text in texts)
        return (text.split(self._delimiter) if text else [] for text in texts)

    def _split_record(self, record: bytes) -> Fields:
        fields = self.grammar.split(record) if record else []
        return [field.decode(errors="surrogateescape") for field in fields]
