"""Read a file of labelled texts: CSV, TSV, JSON lines or Parquet."""

import hashlib
import io
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from inference.tables.bad_rows import BadRows
from inference.tables.columns import InputColumns
from inference.tables.errors import TableError, show
from inference.tables.layout import Layout
from inference.tables.options import ReadOptions
from inference.tables.reader import read_rows
from inference.tables.recognize import recognize
from inference.tables.rows import Reject
from training.data.examples import BadRow, DataError, Dataset, Example
from training.data.fetch import fetch
from training.tasks import FileLayout, Task, with_labels

PARTS = ("train", "test")  # of an official split
BY_CONTENT = ReadOptions()


def read(
    location: str, task: Task, options: ReadOptions = BY_CONTENT, *, skip_bad_rows: bool = False
) -> Dataset:
    """Read a file from a path or an ``s3://`` URI.

    Args:
        location: the file, which may be compressed.
        task: says which columns it has.
        options: what the user says about its dialect.
        skip_bad_rows: leave out rows that cannot be used, rather than fail; the data set counts
            them.

    Raises:
        DataError: the file or one of its rows does not have the layout that the task describes.
    """
    content, note = fetch(location)
    rejects: list[Reject] = []
    try:
        columns = _find_columns(task.layout)
        layout = recognize(io.BytesIO(content), columns, options, name=location)
        rows = list(_read_rows(content, task, layout, columns, rejects))
    except TableError as error:
        raise DataError(str(error.in_file(location))) from error
    bad_rows = count_bad_rows(rejects, location)
    if bad_rows.count and not skip_bad_rows:
        raise DataError(str(bad_rows.make_error()))
    if not rows:
        raise DataError(f"{location} is empty")
    if not task.codes:
        task = with_labels(task, _find_labels(rows, location))
    if len(task.labels) < 2:
        raise DataError(f"{location}: a classifier needs two labels, found {list(task.labels)}")
    if not any(row.part for row in rows) and task.default_split == "official":
        task = replace(task, default_split="story")
    examples = [_to_example(row, task) for row in rows]
    digest = hashlib.sha256(content).hexdigest()
    return Dataset(
        task,
        examples,
        digest,
        bad_rows=bad_rows if bad_rows.count else None,
        all_bad_rows=tuple(BadRow(location, *reject) for reject in rejects),
        layout=layout,
        note=note,
    )


def count_bad_rows(rejects: Sequence[Reject], location: str) -> BadRows:
    """Count the rows of a file that cannot be used."""
    bad_rows = BadRows(location)
    for reject in rejects:
        bad_rows.add(reject)
    return bad_rows


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    text: str
    label: str
    group: str = ""
    time: str = ""
    source: str = ""
    part: str = ""  # of the official split

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label.strip())
        object.__setattr__(self, "part", self.part.strip())


def _find_columns(layout: FileLayout) -> InputColumns:
    optional = frozenset({layout.split} if layout.split else ())
    kept = tuple(_find_names(layout).values())
    return InputColumns(layout.text, kept, optional, layout.header or ())


def _read_rows(
    content: bytes, task: Task, layout: Layout, columns: InputColumns, rejects: list[Reject]
) -> Iterator[_Row]:
    """Yield the rows that can be used, and append the others to the rejects."""
    names = _find_names(task.layout)
    for row in read_rows(io.BytesIO(content), layout, columns):
        if isinstance(row, Reject):
            rejects.append(row)
            continue
        found = _Row(row.line, row.text, **dict(zip(names, row.kept, strict=True)))
        problem = _find_problem(found, task)
        if problem:
            rejects.append(Reject(row.line, problem, show(row.text)))
        else:
            yield found


def _find_names(layout: FileLayout) -> dict[str, str]:
    """Return the columns other than the text, by what they mean."""
    names = {
        "label": layout.label,
        "group": layout.group,
        "time": layout.time,
        "source": layout.source,
        "part": layout.split,
    }
    return {meaning: name for meaning, name in names.items() if name is not None}


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


def _to_example(row: _Row, task: Task) -> Example:
    label = task.labels.index(task.codes[row.label])
    return Example(row.text, label, row.group, int(row.time or 0), row.source, row.part)


def _find_problem(row: _Row, task: Task) -> str:
    """Say what is wrong with the values of a row; empty if nothing is."""
    if not row.label:
        return "the label is blank"
    if task.codes and row.label not in task.codes:
        return f"unknown category {show(row.label)}; known: {', '.join(task.codes)}"
    if row.time and not row.time.isdigit():
        return f"{show(row.time)} is not a time in milliseconds"
    if row.part and row.part not in PARTS:
        return f"the split is {show(row.part)}, neither {' nor '.join(PARTS)}"
    return ""
