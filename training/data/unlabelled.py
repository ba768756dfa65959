"""Read texts without labels, which a student learns from with its teachers' answers alone."""

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from inference.tables.columns import InputColumns
from inference.tables.errors import TableError
from inference.tables.layout import Layout
from inference.tables.options import ReadOptions
from inference.tables.reader import read_rows
from inference.tables.recognize import recognize
from inference.tables.rows import BLANK, MISSING, Reject, Row
from inference.tables.signatures import COMPRESSIONS
from training.data.examples import UNLABELLED, DataError, Dataset, Example, cut_text
from training.data.fetch import fetch
from training.data.read import count_bad_rows
from training.data.split import Split
from training.data.text_key import TextKey
from training.tasks import FileLayout

TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet")

Rows = Sequence[Row | Reject]


@dataclass(frozen=True)
class LeftOut:
    """How many rows of a file are not learnt from, by the reason."""

    blank: int = 0
    held_out: int = 0  # their text is validated or tested on
    labelled: int = 0  # their text is in a training row
    repeated: int = 0  # their text is in another row of the file

    @property
    def total(self) -> int:
        """All rows that are left out."""
        return self.blank + self.held_out + self.labelled + self.repeated


@dataclass(frozen=True)
class Unlabelled:
    """The texts of a file that can be learnt from, and what became of its other rows."""

    location: str
    name: str  # the file's, without its folder
    sha256: str  # of the uncompressed file
    layout: Layout
    examples: list[Example]
    left_out: LeftOut
    rejects: tuple[Reject, ...]  # rows that cannot be read
    note: str  # which table of an archive the file is

    @property
    def rows(self) -> int:
        """How many rows the file has."""
        return len(self.examples) + self.left_out.total + len(self.rejects)


def read_unlabelled(
    location: str,
    dataset: Dataset,
    split: Split,
    options: ReadOptions,
    *,
    skip_bad_rows: bool = False,
) -> Unlabelled:
    """Read a file with a text on each line, or a table with the task's text column.

    No text that is held out is learnt from, so that it stays unknown.

    Args:
        location: the file, which may be compressed; a path or an ``s3://`` URI.
        dataset: the labelled rows, whose task names the column.
        split: which of them are held out.
        options: what the user says about the dialect.
        skip_bad_rows: leave out rows that cannot be read, rather than fail.

    Raises:
        DataError: the file cannot be read, or has no text to learn from.
    """
    content, note = fetch(location)
    try:
        layout, rows = _read(content, location, dataset, options)
    except TableError as error:
        raise DataError(str(error.in_file(location))) from error
    texts = [row.text for row in rows if isinstance(row, Row)]
    rejects = [row for row in rows if isinstance(row, Reject)]
    unreadable = [reject for reject in rejects if reject.reason not in (BLANK, MISSING)]
    if unreadable and not skip_bad_rows:
        raise DataError(str(count_bad_rows(unreadable, location).make_error()))
    used, left_out = _choose((cut_text(text, dataset.task) for text in texts), split)
    if not used:
        problem = "all of its texts are in the data set already" if texts else "no text in it"
        raise DataError(f"{location}: {problem}; give a file of other texts")
    return Unlabelled(
        location=location,
        name=PurePosixPath(location).name,
        sha256=hashlib.sha256(content).hexdigest(),
        layout=layout,
        examples=[Example(text, UNLABELLED) for text in used],
        left_out=LeftOut(len(rejects) - len(unreadable), **left_out),
        rejects=tuple(unreadable),
        note=note,
    )


def _read(
    content: bytes, location: str, dataset: Dataset, options: ReadOptions
) -> tuple[Layout, Rows]:
    """Read a table if the file is one, by its name or its content; otherwise lines."""
    path = PurePosixPath(location.lower())
    name = path.stem if path.suffix in COMPRESSIONS else path.name
    is_table = name.endswith(TABLES)
    # A line of prose has a first column, too, so a position does not tell a table.
    if is_table or not InputColumns(dataset.task.layout.text).by_position:
        try:
            return _read_table(content, dataset.task.layout, options, name)
        except TableError:
            if is_table:
                raise
    lines = ReadOptions(delimiter="none", quoting="none", encoding=options.encoding, no_header=True)
    return _read_columns(content, InputColumns("0"), lines, name)


def _read_table(
    content: bytes, file_layout: FileLayout, options: ReadOptions, name: str
) -> tuple[Layout, Rows]:
    """Read a table that names its columns, or one without a header like the task's data."""
    try:
        return _read_columns(content, InputColumns(file_layout.text), options, name)
    except TableError:
        if file_layout.header is None:
            raise
        columns = InputColumns(file_layout.text, header=file_layout.header)
        layout, rows = _read_columns(content, columns, options, name)
        if not any(isinstance(row, Row) for row in rows):
            raise
        return layout, rows


def _read_columns(
    content: bytes, columns: InputColumns, options: ReadOptions, name: str
) -> tuple[Layout, Rows]:
    layout = recognize(io.BytesIO(content), columns, options, name=name)
    return layout, list(read_rows(io.BytesIO(content), layout, columns))


def _choose(texts: Iterable[str], split: Split) -> tuple[list[str], Counter[str]]:
    """Return the texts to learn from, each once, and how many are left out by the reason."""
    key = TextKey.CURRENT.of
    held_out = {key(row.text) for part in (split.validation, split.test) for row in part}
    labelled = {key(row.text) for row in split.train}
    used: dict[str, str] = {}
    left_out = Counter[str]()
    for text in texts:
        of_text = key(text)
        if of_text in held_out:
            left_out["held_out"] += 1
        elif of_text in labelled:
            left_out["labelled"] += 1
        elif of_text in used:
            left_out["repeated"] += 1
        else:
            used[of_text] = text
    return list(used.values()), left_out
