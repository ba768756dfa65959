"""Read a file of labelled texts: CSV, TSV, JSON lines or Parquet."""

import hashlib
import io
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from inference.tables.bad_rows import BadRows
from inference.tables.columns import InputColumns
from inference.tables.errors import TableError, show
from inference.tables.layout import Layout
from inference.tables.options import ReadOptions
from inference.tables.reader import read_rows
from inference.tables.recognize import recognize
from inference.tables.rows import Reject
from training.data.examples import UNLABELLED, DataError, Dataset, Example, make_error
from training.data.fetch import fetch
from training.data.label_cells import find_lists, read_flag, split_cell
from training.tasks import FileLayout, Task, with_labels

PARTS = ("train", "test")  # of an official split
BY_CONTENT = ReadOptions()
MOST_DIGITS = 14  # of a time in milliseconds, until the year 5138; microseconds have more


def read(
    location: str, task: Task, options: ReadOptions = BY_CONTENT, *, skip_bad_rows: bool = False
) -> Dataset:
    """Read a file from a path or an ``s3://`` URI.

    Args:
        location: the file, which may be compressed.
        task: says which columns it has.
        options: what the user says about its dialect.
        skip_bad_rows: leave out rows that cannot be used, rather than fail; the data set lists
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
    hints = _find_hints(rows, task)
    bad_rows = count_bad_rows(rejects, location)
    if rejects and not skip_bad_rows:
        problem = bad_rows.make_error()
        raise make_error(str(problem), hints) from problem
    if not rows:
        raise DataError(bad_rows.describe_all() if rejects else f"{location} is empty")
    if not task.codes:
        task = with_labels(task, _find_labels(rows, location, hints))
    if len(task.labels) < 2:
        found = list(task.labels)
        raise make_error(f"{location}: a classifier needs two labels, found {found}", hints)
    if not any(row.part for row in rows) and task.default_split == "official":
        task = replace(task, default_split="story")
    numbers = {code: task.labels.index(label) for code, label in task.codes.items()}
    examples = [_to_example(row, task, numbers) for row in rows]
    digest = hashlib.sha256(content).hexdigest()
    return Dataset(
        task,
        examples,
        digest,
        rejects=tuple(rejects),
        layout=layout,
        note=note,
        hints=hints,
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
    label: str = ""
    group: str = ""
    time: str = ""
    source: str = ""
    part: str = ""  # of the official split
    labels: tuple[str, ...] = ()  # in place of the label, if there may be several
    problem: str = ""  # with the labels

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label.strip())
        object.__setattr__(self, "part", self.part.strip())

    @property
    def all_labels(self) -> tuple[str, ...]:
        """The label, or all labels if there may be several."""
        return (self.label,) if self.label else self.labels


def _find_columns(layout: FileLayout) -> InputColumns:
    optional = frozenset({layout.split} if layout.split else ())
    kept = (*_find_names(layout).values(), *layout.label_columns)
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
        values = dict(zip(names, row.kept, strict=False))
        several = _read_several(values, row.kept[len(names) :], task.layout)
        found = _Row(row.line, row.text, **{**values, **several})
        problem = _find_problem(found, task)
        if problem:
            rejects.append(Reject(row.line, problem, show(row.text)))
        else:
            yield found


def _read_several(
    values: dict[str, str], flags: Sequence[str], layout: FileLayout
) -> dict[str, Any]:
    """Read the labels of a text that may have several; they take the place of their cell."""
    if layout.label_separator:
        try:
            return {"label": "", "labels": split_cell(values["label"], layout.label_separator)}
        except ValueError as error:
            return {"label": "", "problem": str(error)}
    labels = []
    for name, cell in zip(layout.label_columns, flags, strict=True):
        applies = read_flag(cell)
        if applies is None:
            return {"problem": f"the column {name!r} has {show(cell)}, which is neither 0 nor 1"}
        if applies:
            labels.append(name)
    return {"labels": tuple(labels)}


def _find_names(layout: FileLayout) -> dict[str, str]:
    """Return the columns other than the text, by what they mean."""
    names = {
        "label": layout.label,
        "group": layout.group,
        "time": layout.time,
        "source": layout.source,
        "part": layout.split,
    }
    return {meaning: name for meaning, name in names.items() if name}


def _find_labels(rows: Sequence[_Row], location: str, hints: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of a file, sorted; two that differ only in case are a mistake."""
    labels = sorted({label for row in rows for label in row.all_labels})
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.setdefault(unicodedata.normalize("NFKC", label).casefold(), label)
        if other != label:
            line = next(row.line for row in rows if label in row.all_labels)
            raise make_error(f"{location}, line {line}: {ask_if_equal(label, other)}", hints)
    return tuple(labels)


def ask_if_equal(label: str, other: str) -> str:
    """Ask whether two labels that readers take for one are, and say what to do if so."""
    if unicodedata.normalize("NFC", label) == unicodedata.normalize("NFC", other):  # they look so
        forms = f"{label!a} and {other!a}"
        return f"{label!r} is written in two Unicode forms, {forms}: write it in one (NFC)"
    return f"is {label!r} the label {other!r}? Write both in the same way"


def _find_hints(rows: Sequence[_Row], task: Task) -> tuple[str, ...]:
    """Say what may be wrong with how the labels are read; nothing is guessed."""
    if task.codes or not rows:  # the labels are known already
        return ()
    if not task.is_multi_label:
        return tuple(find_lists([row.label for row in rows]))
    if any(len(row.labels) > 1 for row in rows):
        return ()
    separator = task.layout.label_separator
    hint = f"no label cell has {separator!r} (--label-separator), so no text has several labels"
    return (hint, *find_lists([label for row in rows for label in row.labels]))


def _to_example(row: _Row, task: Task, number_of: Mapping[str, int]) -> Example:
    rest = (row.group, int(row.time or 0), row.source, row.part)
    numbers = [number_of[label] for label in row.all_labels]
    if task.is_multi_label:
        labels = tuple(sorted(set(numbers)))
        return Example(row.text, UNLABELLED, *rest, labels=labels, line=row.line)
    return Example(row.text, numbers[0], *rest, line=row.line)


def _find_problem(row: _Row, task: Task) -> str:
    """Say what is wrong with the values of a row; empty if nothing is."""
    if row.problem:
        return row.problem
    if not row.label and not task.is_multi_label:
        return "the label is blank"
    for label in row.all_labels:
        if task.codes and label not in task.codes:
            return f"unknown label {show(label)}; known: {', '.join(task.codes)}"
    if row.time and not (row.time.isdecimal() and len(row.time) <= MOST_DIGITS):
        return f"{show(row.time)} is not a time in milliseconds"
    if row.part and row.part not in PARTS:
        return f"the split is {show(row.part)}, neither {' nor '.join(PARTS)}"
    return ""
