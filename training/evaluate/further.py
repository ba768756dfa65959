"""Further files of labelled texts: to measure a model on, and to calibrate it on."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.tables.describe import describe_bad_rows, describe_balance, describe_reading
from inference.tables.errors import MissingColumnError
from inference.tables.options import ReadOptions
from training.data.examples import (
    LONGEST_TEXT,
    DataError,
    Dataset,
    Example,
    cluster_of,
    cut_long_texts,
)
from training.data.read import BY_CONTENT, count_bad_rows, read
from training.data.text_key import normalise
from training.fit.trained_model import TrainedModel
from training.tasks import FileLayout, Task

# Of each half of a file to calibrate on, which counts as much as all validation rows.
LEAST_ROWS = 20

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class FurtherFiles:
    """Which further files to read, and how.

    A file without the columns that are named has those of the task.
    """

    also: tuple[str, ...] = ()
    calibrate_on: tuple[str, ...] = ()  # one that is named twice counts twice
    text_column: str = ""
    label_column: str = ""
    options: ReadOptions = BY_CONTENT
    skip_bad_rows: bool = False


NO_FILES = FurtherFiles()


@dataclass(frozen=True)
class FurtherFile:
    """The rows of a further file."""

    name: str  # without its folder
    rows: list[Example]
    for_calibration: Mask  # rows that the temperature is fitted on, so that they test nothing
    times: int  # how often it was named as a file to calibrate on
    reading: str  # how it was read, and what became of its rows
    bad_rows: int  # that could not be used
    known_rows: int  # left out of a file to calibrate on: the data set has their text
    learnt_rows: int  # the model was trained on their text


def read_files(files: FurtherFiles, model: TrainedModel) -> list[FurtherFile]:
    """Read further files; those to calibrate on come first.

    Raises:
        DataError: a file cannot be read, or a file to calibrate on has too few rows or is one to
            measure on, too.
    """
    if not (files.also or files.calibrate_on):
        return []
    times = Counter(files.calibrate_on)
    calibrated = {location: read_file(location, files, model.dataset.task) for location in times}
    measured = {location: read_file(location, files, model.dataset.task) for location in files.also}
    for location, dataset in measured.items():
        for other, calibration in calibrated.items():
            if dataset.sha256 == calibration.sha256:
                raise DataError(
                    f"{location} is the file of --calibrate-on {other}, which measures the model "
                    "on it, too: leave --also out"
                )
    names = iter(name_files([*calibrated, *measured]))
    learnt = {normalise(row.text) for row in model.rows.train}
    known = learnt | {normalise(row.text) for row in (*model.rows.validation, *model.rows.test)}
    return [
        *(
            _halve(location, dataset, next(names), known, times[location])
            for location, dataset in calibrated.items()
        ),
        *(
            _keep_all(location, dataset, next(names), learnt)
            for location, dataset in measured.items()
        ),
    ]


def name_files(locations: Sequence[str]) -> list[str]:
    """Name files without their folders, which are nobody's business; repeats get a number."""
    names, seen = [], Counter[str]()
    for location in locations:
        name = Path(location).name
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def is_for_calibration(row: Example) -> bool:
    """Whether a row is in the half of its file that the temperature is fitted on.

    The text decides, or the group if the row has one, so that both halves have no text in common
    and are the same every time.
    """
    return hashlib.sha256(cluster_of(row).encode("utf-8", "surrogatepass")).digest()[0] % 2 == 0


def adapt_task(task: Task, text_column: str, label_column: str) -> Task:
    """Return the task for a file with these columns, whose labels may be written out."""
    layout = FileLayout(
        text=text_column or task.layout.text,
        label=label_column or task.layout.label,
        label_separator=task.layout.label_separator,
        label_columns=task.layout.label_columns,
    )
    return replace(_accept_names(task), layout=layout)


def _accept_names(task: Task) -> Task:
    return replace(task, codes=task.codes | {label: label for label in task.labels})


def read_file(location: str, files: FurtherFiles, task: Task) -> Dataset:
    """Read a file by the columns that are named or, if it has none of these, by the task's.

    Raises:
        DataError: it cannot be read.
    """
    if not (files.text_column or files.label_column):
        return _read_as(location, files, _accept_names(task))
    named = adapt_task(task, files.text_column, files.label_column)
    try:
        return _read_as(location, files, named)
    except DataError as error:
        if not isinstance(error.__cause__, MissingColumnError):
            raise
        try:
            return _read_as(location, files, _accept_names(task))
        except DataError:
            raise error from None


def _read_as(location: str, files: FurtherFiles, task: Task) -> Dataset:
    return cut_long_texts(read(location, task, files.options, skip_bad_rows=files.skip_bad_rows))


def _keep_all(location: str, dataset: Dataset, name: str, learnt: set[str]) -> FurtherFile:
    rows = dataset.examples
    return FurtherFile(
        name=name,
        rows=rows,
        for_calibration=np.zeros(len(rows), bool),
        times=0,
        reading=describe_file(location, dataset, "measured"),
        bad_rows=len(dataset.rejects),
        known_rows=0,
        learnt_rows=sum(normalise(row.text) in learnt for row in rows),
    )


def _halve(location: str, dataset: Dataset, name: str, known: set[str], times: int) -> FurtherFile:
    """Take one half of a file to calibrate on, and leave out texts that the data set has.

    Raises:
        DataError: a half has too few rows.
    """
    rows = [row for row in dataset.examples if normalise(row.text) not in known]
    half = np.array([is_for_calibration(row) for row in rows], bool)
    known_rows = len(dataset.examples) - len(rows)
    left_out = f", {known_rows:,} left out: the data set has their text" if known_rows else ""
    if min(half.sum(), (~half).sum()) < LEAST_ROWS:
        raise DataError(
            f"{location} has {half.sum():,} rows to calibrate on and {(~half).sum():,} to test "
            f"that{left_out}: both halves need {LEAST_ROWS}. Leave --calibrate-on out, or measure "
            "it with --also"
        )
    use = f"used ({half.sum():,} to calibrate on, {(~half).sum():,} to test that{left_out})"
    return FurtherFile(
        name=name,
        rows=rows,
        for_calibration=half,
        times=times,
        reading=describe_file(location, dataset, use),
        bad_rows=len(dataset.rejects),
        known_rows=known_rows,
        learnt_rows=0,
    )


def describe_file(location: str, dataset: Dataset, use: str) -> str:
    """Say how a file was read, and what became of all its rows."""
    lines = []
    if dataset.layout:
        lines.append(describe_reading(location, dataset.layout, dataset.note))
    bad_rows = count_bad_rows(dataset.rejects, location)
    lines.append(describe_balance(len(dataset.examples), use, bad_rows))
    lines += filter(None, [describe_bad_rows(bad_rows)])
    if dataset.cut_texts:
        lines.append(f"note: {dataset.cut_texts:,} texts are cut to {LONGEST_TEXT:,} characters")
    return "\n".join(lines)
