"""Which labels are mistaken for which: the pairs, an order for a picture, and files with all."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from training.atomic import replacing
from training.evaluate.results import LabelMetrics, Summary


class Confusion(NamedTuple):
    """One label that is taken for another."""

    label: int
    predicted: int
    texts: int
    share: float  # of the texts of the label


def list_confusions(matrix: Sequence[Sequence[int]]) -> list[Confusion]:
    """List the pairs of labels that are confused, the most frequent first."""
    counts = np.array(matrix)
    texts = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    pairs = [
        Confusion(row, column, int(counts[row, column]), float(counts[row, column] / texts[row]))
        for row, column in np.argwhere(counts).tolist()
    ]
    return sorted(pairs, key=lambda pair: (-pair.texts, -pair.share))


def choose_labels(matrix: Sequence[Sequence[int]], limit: int) -> list[int]:
    """Choose up to ``limit`` labels for a picture, and put those next to each other that are alike.

    Of many labels, those of the most frequent confusions are chosen.
    """
    labels = list(range(len(matrix)))
    if len(labels) > limit:
        by_confusion = [
            label for pair in list_confusions(matrix) for label in (pair.label, pair.predicted)
        ]
        labels = sorted(list(dict.fromkeys([*by_confusion, *labels]))[:limit])
    return labels if len(labels) < 3 else [labels[place] for place in _cluster(matrix, labels)]


def _cluster(matrix: Sequence[Sequence[int]], labels: Sequence[int]) -> NDArray[np.int32]:
    """Order labels by hierarchical clustering; labels that are confused are close."""
    counts = np.array(matrix, float)[np.ix_(labels, labels)]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    distances = 1 - np.clip((shares + shares.T) / 2, 0, 1)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=True)
    order: NDArray[np.int32] = leaves_list(tree)
    return order


def write_confusions(path: Path, summary: Summary) -> None:
    """Write the whole confusion matrix as CSV: true labels by row, predicted labels by column."""
    names = list(summary.per_label)
    rows = zip(names, summary.confusion, strict=True)
    _write_csv(path, ("true label", *names), [(name, *counts) for name, counts in rows])


def write_labels(path: Path, summary: Summary) -> None:
    """Write the figures of every label of a model as CSV, the worst first."""
    write_label_metrics(path, summary.per_label)


def write_label_metrics(path: Path, per_label: Mapping[str, LabelMetrics]) -> None:
    """Write the figures of every label as CSV, the worst first."""
    rows = [
        (name, f"{m.precision:.4f}", f"{m.recall:.4f}", f"{m.f1:.4f}", m.texts)
        for name, m in per_label.items()
    ]
    _write_csv(path, ("label", "precision", "recall", "F1", "texts"), sorted(rows, key=_by_f1))


def _by_f1(row: Sequence[object]) -> tuple[bool, str]:
    return not row[-1], str(row[-2])  # labels that no text has come last


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
