"""Labelled texts, and the keys that say which belong together."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.tasks import Task


class DataError(Exception):
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
    new_files: tuple[NewFile, ...] = ()  # whose rows were joined


def normalise(text: str) -> str:
    """The text without case, punctuation or width: equal for texts that read the same."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def labels_of(examples: Sequence[Example]) -> NDArray[np.int64]:
    """The right labels of rows, shape (rows,)."""
    return np.array([example.label for example in examples], np.int64)


def cluster_of(example: Example) -> str:
    """What a row is held out with: its group, or the rows of the same text."""
    return example.group or normalise(example.text)


def clusters_of(examples: Sequence[Example]) -> NDArray[np.int64]:
    """A number for the group of each row, equal texts where it has none; shape (rows,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(cluster_of(e), len(numbers)) for e in examples], np.int64)


def labels_of_clusters(examples: Sequence[Example]) -> NDArray[np.int64]:
    """The label that most rows of each group have, shape (groups,), as ``clusters_of`` counts."""
    clusters, labels = clusters_of(examples), labels_of(examples)
    votes = np.zeros((clusters.max() + 1, labels.max() + 1))
    np.add.at(votes, (clusters, labels), 1)
    found: NDArray[np.int64] = votes.argmax(axis=1)
    return found
