"""Labelled texts, and the keys that say which belong together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference.errors import TextClassifierError
from inference.runtime.settings import Settings as ServingSettings
from inference.tables.bad_rows import BadRows
from training.data.text_key import TextKey
from training.tasks import Task

# One limit for training and serving: characters per text that the API accepts unless a stack says
# otherwise.
LONGEST_TEXT: int = ServingSettings.model_fields["max_characters"].default


class DataError(TextClassifierError):
    """The data cannot be used; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text; ``label`` indexes the task's labels."""

    text: str
    label: int
    group: str = ""
    time: int = 0  # milliseconds since the epoch
    source: str = ""
    part: str = ""  # of the official split: train or test
    new: bool = False  # joined to the data set later


@dataclass(frozen=True)
class NewFile:
    """A file of new rows: how many were joined, or why it was set aside."""

    name: str
    rows: int = 0
    problem: str = ""
    held_out: int = 0  # rows left out because the data set holds out their text


@dataclass(frozen=True)
class Dataset:
    """A file's rows in file order, and the SHA-256 of its uncompressed bytes."""

    task: Task
    examples: list[Example]
    sha256: str
    new_files: tuple[NewFile, ...] = ()  # files whose rows were joined or set aside
    not_sampled: int = 0  # rows that --max-rows leaves out
    cut_texts: int = 0  # texts that were longer than LONGEST_TEXT
    bad_rows: BadRows | None = None  # rows that were left out because they cannot be used


def labels_of(examples: Sequence[Example]) -> NDArray[np.int64]:
    """Return the labels of rows, shape (rows,)."""
    return np.array([example.label for example in examples], np.int64)


def cluster_of(example: Example, key: TextKey = TextKey.CURRENT) -> str:
    """Return the key of the rows that are held out together: a group, or rows of equal text."""
    return example.group or key.of(example.text)


def clusters_of(examples: Sequence[Example]) -> NDArray[np.int64]:
    """Return the number of each row's cluster, in order of appearance, shape (rows,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(cluster_of(e), len(numbers)) for e in examples], np.int64)


def cut_long_texts(dataset: Dataset) -> Dataset:
    """Cut texts to the length that the API accepts, on the side where the task cuts them.

    The model reads only a few hundred wordpieces of a text, so this changes what counts as an
    answerable text, not what is learnt from it.
    """
    keep = slice(None, LONGEST_TEXT)
    if dataset.task.truncation_side == "left":
        keep = slice(-LONGEST_TEXT, None)
    return replace(
        dataset,
        examples=[
            replace(e, text=e.text[keep]) if len(e.text) > LONGEST_TEXT else e
            for e in dataset.examples
        ],
        cut_texts=sum(len(e.text) > LONGEST_TEXT for e in dataset.examples),
    )
