"""Read a CSV file of labelled texts."""

import csv
import hashlib
import io
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from training.data.examples import DataError, Dataset, Example
from training.data.fetch import decompress, fetch
from training.tasks import FileLayout, Task, with_labels

PARTS = ("train", "test")  # of an official split
SEPARATORS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}


def read(location: str, task: Task) -> Dataset:
    """Read a CSV file (plain, .gz, .bz2, .xz or .zip) from a path or an ``s3://`` URI.

    Raises:
        DataError: the file or one of its rows does not have the layout that the task describes.
    """
    raw = decompress(fetch(location), location)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{location}, line {line}: not UTF-8 text; save it as UTF-8") from None
    rows = list(_read_rows(text, _detect_delimiter(task.layout, text), location))
    if not rows:
        raise DataError(f"{location} is empty")
    if not task.codes:
        task = with_labels(task, _find_labels(rows, location))
    if len(task.labels) < 2:
        raise DataError(f"{location}: a classifier needs two labels, found {list(task.labels)}")
    if not any(row.part for row in rows) and task.default_split == "official":
        task = replace(task, default_split="story")
    examples = [_to_example(row, task, location) for row in rows]
    return Dataset(task, examples, hashlib.sha256(raw).hexdigest())


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    text: str
    label: str
    group: str
    time: str
    source: str
    part: str


def _detect_delimiter(layout: FileLayout, text: str) -> FileLayout:
    """Return the layout with the separator that the file's header row is written with."""
    if layout.header is None:
        first = text.partition("\n")[0].rstrip("\r")
        for mark in SEPARATORS:
            if {layout.text, layout.label} <= {name.strip('"') for name in first.split(mark)}:
                return replace(layout, delimiter=mark)
    return layout


def _find_labels(rows: Sequence[_Row], location: str) -> tuple[str, ...]:
    """Return the labels of a file, sorted; two that differ only in case are a mistake."""
    labels = sorted({row.label for row in rows})
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.setdefault(unicodedata.normalize("NFKC", label).casefold(), label)
        if other != label:
            line = next(row.line for row in rows if row.label == label)
            raise DataError(f"{location}, line {line}: is {label!r} the label {other!r}?")
    return tuple(labels)


def _read_rows(text: str, layout: FileLayout, location: str) -> Iterator[_Row]:
    """Yield the rows of a file.

    A blank text or label is an error, not a gap: nothing is dropped silently.
    """
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=layout.delimiter,
        quoting=csv.QUOTE_MINIMAL if layout.quoted else csv.QUOTE_NONE,
        strict=layout.quoted,
    )
    header = layout.header
    try:
        for fields in reader:
            where = f"{location}, line {reader.line_num}"
            if header is None:
                header = tuple(fields)
                _check_header(header, layout, where)
            elif fields:
                yield _to_row(fields, header, layout, reader.line_num, where)
    except csv.Error as error:
        raise DataError(f"{location}, line {reader.line_num}: {error}") from None


def _check_header(header: tuple[str, ...], layout: FileLayout, where: str) -> None:
    for column in (layout.text, layout.label, layout.group, layout.time, layout.source):
        if column is not None and column not in header:
            raise DataError(f"{where}: no column {column!r}; it has {', '.join(header)}")
        if header.count(str(column)) > 1:
            raise DataError(f"{where}: two columns are named {column!r}")


def _to_row(
    fields: list[str], header: tuple[str, ...], layout: FileLayout, line: int, where: str
) -> _Row:
    if len(fields) != len(header):
        raise DataError(f"{where}: {_explain_width(fields, header, layout)}")
    named = dict(zip(header, fields, strict=True))

    def get(column: str | None) -> str:
        return "" if column is None else named.get(column, "")

    row = _Row(
        line,
        text=named[layout.text],
        label=named[layout.label].strip(),
        group=get(layout.group),
        time=get(layout.time),
        source=get(layout.source),
        part=get(layout.split).strip(),
    )
    if not row.text.strip():
        raise DataError(f"{where}: the text is blank")
    if not row.label:
        raise DataError(f"{where}: the label is blank")
    return row


def _explain_width(fields: list[str], header: tuple[str, ...], layout: FileLayout) -> str:
    """Say how many columns were expected, and whether the line has another separator."""
    message = (
        f"expected {len(header)} columns separated by {SEPARATORS[layout.delimiter]}, "
        f"found {len(fields)}"
    )
    line, least = layout.delimiter.join(fields), max(1, len(header) - 1)
    for mark, name in SEPARATORS.items():
        if mark != layout.delimiter and line.count(mark) >= least:
            return f"{message}; it looks separated by {name}"
    return message


def _to_example(row: _Row, task: Task, location: str) -> Example:
    where = f"{location}, line {row.line}"
    if row.label not in task.codes:
        known = ", ".join(task.codes)
        raise DataError(f"{where}: unknown category {row.label!r}; known: {known}")
    if row.time and not row.time.isdigit():
        raise DataError(f"{where}: {row.time!r} is not a time in milliseconds")
    if row.part and row.part not in PARTS:
        raise DataError(f"{where}: the split is {row.part!r}, neither {' nor '.join(PARTS)}")
    label = task.labels.index(task.codes[row.label])
    return Example(row.text, label, row.group, int(row.time or 0), row.source, row.part)
