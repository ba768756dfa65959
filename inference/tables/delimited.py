"""Read CSV (RFC 4180), and TSV, in which a quote is a character like any other."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inference.tables.formats import FileFormat, TableError
from inference.tables.lines import TOO_LONG, Lines
from inference.tables.rows import InputColumns, Reject, Row, make_row


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of one record, or the reason why it cannot be read."""

    line: int  # its first
    fields: list[str]
    problem: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether the record is an empty line."""
        return not self.fields and not self.problem


def read_records(lines: Lines, file_format: FileFormat) -> Iterator[Record]:
    """Read all records; after a broken one, the next begins with the next line."""
    if file_format == "tsv":
        reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, strict=True)
    while True:
        line, cut = lines.number + 1, lines.cut
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(line, [], _explain(error, line, lines.number))
            continue
        yield Record(line, fields, TOO_LONG if lines.cut > cut else "")


def read_delimited(
    lines: Lines, file_format: FileFormat, columns: InputColumns
) -> Iterator[Row | Reject]:
    """Read the rows of a CSV or TSV file; blank lines are skipped.

    Raises:
        TableError: the file lacks a header or a column.
    """
    records = (one for one in read_records(lines, file_format) if not one.is_blank)
    first = next(records, None)
    if first is None:
        if columns.by_position:
            return
        raise TableError("the input is empty: it has no header")
    if first.problem:
        raise TableError(f"line {first.line}: {first.problem}")
    positions = _find_columns(columns, first.fields)
    if columns.by_position:
        yield _to_row(first, len(first.fields), positions)
    for record in records:
        yield _to_row(record, len(first.fields), positions)


def _explain(error: csv.Error, first: int, last: int) -> str:
    if last > first:
        return f"{error} (lines {first} to {last} are one row)"
    return str(error)


def _find_columns(columns: InputColumns, first: Sequence[str]) -> list[int]:
    """Return the positions of the text and of the kept columns."""
    positions = []
    for name in (columns.text, *columns.keep):
        if not columns.by_position and name in first:
            positions.append(first.index(name))
        elif columns.by_position and name.isdecimal() and int(name) < len(first):
            positions.append(int(name))
        else:
            has = f"columns 0 to {len(first) - 1}" if columns.by_position else ", ".join(first)
            raise TableError(f"no column {name!r}; the input has {has}")
    return positions


def _to_row(record: Record, width: int, positions: Sequence[int]) -> Row | Reject:
    if record.problem:
        return Reject(record.line, record.problem)
    found = len(record.fields)
    if found != width:
        return Reject(record.line, f"expected {width} columns as in the first row, found {found}")
    text, *kept = (record.fields[position] for position in positions)
    return make_row(record.line, text, kept)
