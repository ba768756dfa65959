"""Labelled texts, and the keys that say which belong together."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from inference.errors import TextClassifierError
from inference.runtime.settings import MAX_CHARACTERS
from inference.tables.layout import Layout
from inference.tables.rows import Reject
from training.data.text_key import TextKey
from training.tasks import Task

# One limit for training and serving: characters per text that the API accepts unless a stack says
# otherwise.
LONGEST_TEXT = MAX_CHARACTERS
UNLABELLED = -1  # the label of a text that has none


class DataError(TextClassifierError):
    """The data cannot be used; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Example:
    """One text; ``label`` indexes the task's labels, unless it is UNLABELLED.

    A text that may have several labels, or none, has them in ``labels``, and ``label`` is
    UNLABELLED.
    """

    text: str
    label: int
    group: str = ""
    time: int = 0  # milliseconds since the epoch
    source: str = ""
    part: str = ""  # of the official split: train or test
    new: bool = False  # joined to the data set later
    labels: tuple[int, ...] | None = None  # in rising order; None if a text has one label
    line: int = field(default=0, compare=False)  # where the row begins in its file, from 1

    @property
    def answer(self) -> int | tuple[int, ...]:
        """What a model should answer: the label or, if there may be several, all of them."""
        return self.label if self.labels is None else self.labels


@dataclass(frozen=True)
class NewFile:
    """A file of new rows: how many were joined, or why it was set aside."""

    name: str
    rows: int = 0
    problem: str = ""
    held_out: int = 0  # rows left out because the data set holds out their text
    rejects: tuple[Reject, ...] = ()  # rows left out because they cannot be used


@dataclass(frozen=True)
class Dataset:
    """A file's rows in file order, and the SHA-256 of its uncompressed bytes."""

    task: Task
    examples: list[Example]
    sha256: str
    new_files: tuple[NewFile, ...] = ()  # files whose rows were joined or set aside
    not_sampled: int = 0  # rows that --max-rows leaves out
    cut_texts: int = 0  # texts that were longer than LONGEST_TEXT
    rejects: tuple[Reject, ...] = ()  # rows of the file left out because they cannot be used
    layout: Layout | None = None  # how the file was read
    note: str = field(default="", compare=False)  # which table of an archive the file is
    hints: tuple[str, ...] = field(default=(), compare=False)  # what may be wrong with its labels

    @property
    def file_rows(self) -> int:
        """How many rows of the file can be used, without those of new files."""
        joined = sum(file.rows for file in self.new_files)
        return len(self.examples) + self.not_sampled - joined

    def make_error(self, problem: str) -> DataError:
        """Return an error that also says what may be wrong with how the labels were read."""
        return make_error(problem, self.hints)


def make_error(problem: str, hints: Sequence[str]) -> DataError:
    """Return an error with a note for each hint, which often names the cause."""
    return DataError("\n".join([problem, *map("note: {}".format, hints)]))


def labels_of(examples: Sequence[Example]) -> NDArray[np.int64]:
    """Return the labels of rows, shape (rows,)."""
    return np.array([example.label for example in examples], np.int64)


def multi_hot(examples: Sequence[Example], count: int) -> NDArray[np.bool_]:
    """Return which of ``count`` labels each row has, shape (rows, count).

    Works for rows of one label, too; those without any answer have no label.
    """
    hot = np.zeros((len(examples), count), bool)
    for row, example in enumerate(examples):
        hot[row, list_labels(example)] = True
    return hot


def list_labels(example: Example) -> list[int]:
    """Return the labels that a row has: one, or any number if there may be several."""
    if example.labels is not None:
        return list(example.labels)
    return [] if example.label == UNLABELLED else [example.label]


def has_answer(example: Example) -> bool:
    """Whether a row says which labels its text has."""
    return example.labels is not None or example.label != UNLABELLED


def has_groups(examples: Sequence[Example]) -> bool:
    """Whether some rows belong to a group, such as a story."""
    return any(example.group for example in examples)


def cluster_of(example: Example, key: TextKey = TextKey.CURRENT) -> str:
    """Return the key of the rows that are held out together: a group, or rows of equal text."""
    return example.group or key.of(example.text)


def clusters_of(examples: Sequence[Example]) -> NDArray[np.int64]:
    """Return the number of each row's cluster, in order of appearance, shape (rows,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(cluster_of(e), len(numbers)) for e in examples], np.int64)


def cut_text(text: str, task: Task) -> str:
    """Cut a text to the length that the API accepts, on the side where the task cuts it.

    The model reads only a few hundred wordpieces of a text, so this changes what counts as an
    answerable text, not what is learnt from it.
    """
    return text[-LONGEST_TEXT:] if task.truncation_side == "left" else text[:LONGEST_TEXT]


def cut_long_texts(dataset: Dataset) -> Dataset:
    """Cut all texts to the length that the API accepts, and count those that were longer."""
    return replace(
        dataset,
        examples=[
            replace(e, text=cut_text(e.text, dataset.task)) if len(e.text) > LONGEST_TEXT else e
            for e in dataset.examples
        ],
        cut_texts=sum(len(e.text) > LONGEST_TEXT for e in dataset.examples),
    )
