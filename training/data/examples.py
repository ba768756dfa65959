"""Labelled texts, and the keys that say which belong together."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.errors import TextClassifierError
from training.tasks import Task


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


@dataclass(frozen=True)
class Dataset:
    """A file's rows in file order, and the SHA-256 of its uncompressed bytes."""

    task: Task
    examples: list[Example]
    sha256: str
    new_files: tuple[NewFile, ...] = ()  # files whose rows were joined or set aside


def normalise(text: str) -> str:
    """Drop case, punctuation and character width: texts that read the same become equal."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def labels_of(examples: Sequence[Example]) -> NDArray[np.int64]:
    """Return the labels of rows, shape (rows,)."""
    return np.array([example.label for example in examples], np.int64)


def cluster_of(example: Example) -> str:
    """Return the key of the rows that are held out together: a group, or rows of equal text."""
    return example.group or normalise(example.text)


def clusters_of(examples: Sequence[Example]) -> NDArray[np.int64]:
    """Return the number of each row's cluster, in order of appearance, shape (rows,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(cluster_of(e), len(numbers)) for e in examples], np.int64)
