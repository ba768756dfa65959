"""Read the texts to label, and the rows that people have labelled already."""

import io
from dataclasses import dataclass

from inference.tables.bad_rows import BadRows
from inference.tables.columns import InputColumns
from inference.tables.errors import TableError, show
from inference.tables.layout import Layout
from inference.tables.options import ReadOptions
from inference.tables.reader import read_rows
from inference.tables.recognize import recognize
from inference.tables.rows import Reject, Row
from training.data.examples import LONGEST_TEXT, DataError
from training.data.fetch import fetch
from training.data.read import count_bad_rows


@dataclass(frozen=True)
class Texts:
    """The rows of a file: those with a text, and those that cannot be read."""

    location: str
    layout: Layout
    note: str  # which table of an archive the file is
    rows: list[Row]
    rejects: list[Reject]

    @property
    def count(self) -> int:
        """How many rows the file has."""
        return len(self.rows) + len(self.rejects)

    @property
    def bad_rows(self) -> BadRows:
        """The rows that cannot be read."""
        return count_bad_rows(self.rejects, self.location)

    @property
    def cut(self) -> int:
        """How many texts are longer than what is asked about."""
        return sum(len(row.text) > LONGEST_TEXT for row in self.rows)


def read_texts(location: str, columns: InputColumns, options: ReadOptions) -> Texts:
    """Read a file of texts of any format, from a path or an ``s3://`` URI.

    Raises:
        DataError: it cannot be read, or has no texts.
    """
    content, note = fetch(location)
    try:
        layout = recognize(io.BytesIO(content), columns, options, name=location)
        found = list(read_rows(io.BytesIO(content), layout, columns))
    except TableError as error:
        raise DataError(str(error.in_file(location))) from error
    rows = [row for row in found if isinstance(row, Row)]
    rejects = [row for row in found if isinstance(row, Reject)]
    if not rows:
        raise DataError(f"{location} has no texts")
    return Texts(location, layout, note, rows, rejects)


def cut(text: str) -> str:
    """Return what is asked about: as much of a text as the API accepts, from its beginning."""
    return text[:LONGEST_TEXT]


@dataclass(frozen=True)
class CheckRows:
    """Rows that people have labelled, to compare a model with."""

    location: str
    rows: list[Row]
    labels: list[str]  # of the rows
    rejects: list[Reject]
    examples: int  # rows left out, because the prompt shows their text and label


def read_check_rows(
    location: str,
    columns: InputColumns,
    known_labels: tuple[str, ...],
    examples: frozenset[str],
) -> CheckRows:
    """Read rows that people have labelled.

    Args:
        location: the file.
        columns: the text, and the label as the only other column.
        known_labels: what a label may be; rows with other labels are rejects.
        examples: the texts that the prompt shows.

    Raises:
        DataError: it cannot be read, or has no row to compare with.
    """
    texts = read_texts(location, columns, ReadOptions())
    rejects, rows, labels = list(texts.rejects), [], []
    for row in texts.rows:
        label = row.kept[0].strip()
        if label not in known_labels:
            rejects.append(Reject(row.line, f"{show(label)} is none of the labels"))
        elif row.text.strip() not in examples:
            rows.append(row)
            labels.append(label)
    if not rows:
        reason = f"; the first row that cannot be used is in {rejects[0].describe()}"
        raise DataError(f"{location} has no row to check with{reason if rejects else ''}")
    left_out = texts.count - len(rows) - len(rejects)
    return CheckRows(location, rows, labels, rejects, left_out)
