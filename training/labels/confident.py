"""Confident learning: find labels that are probably wrong from out-of-sample probabilities.

After Northcutt, Jiang & Chuang 2021, https://arxiv.org/abs/1911.00068. A row counts for a label if
its probability of that label is at least the mean over the rows with that label. A label that
models are rarely sure of therefore needs less than one that they are always sure of. Rows that
count for another label than their own are suspects, and their number, corrected for the rows that
count for none, estimates how many labels are wrong.

The suspects are those of cleanlab 2.9 (Apache-2.0) with ``filter_by="confident_learning"``; the few
lines are here because cleanlab needs pandas, which nothing else here does.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Suspects:
    """Rows whose labels are probably wrong, the surest first."""

    rows: NDArray[np.intp]
    suggested: NDArray[np.intp]  # the most probable label of each
    scores: NDArray[np.float64]  # how much more probable it is than the given label
    joint: NDArray[np.float64]  # estimated rows by given label and true label, (labels, labels)

    @property
    def estimate(self) -> float:
        """How many labels are wrong, by the estimate."""
        return float(self.joint.sum() - np.trace(self.joint))


def find_suspects(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Suspects:
    """Find rows whose labels are probably wrong.

    Args:
        probabilities: of models that had not seen the rows, shape (rows, labels).
        labels: as they are given.
    """
    confident = find_confident_labels(probabilities, labels)
    best = probabilities.argmax(axis=1)
    rows = np.flatnonzero((confident >= 0) & (confident != labels) & (best != labels))
    scores = probabilities[rows, best[rows]] - probabilities[rows, labels[rows]]
    order = np.argsort(-scores, kind="stable")
    joint = _estimate_joint(confident, labels, probabilities.shape[1])
    return Suspects(rows[order], best[rows][order], scores[order], joint)


def find_confident_labels(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the label that each row counts for, or -1 if it counts for none."""
    thresholds = np.array(
        [
            probabilities[labels == label, label].mean() if (labels == label).any() else np.inf
            for label in range(probabilities.shape[1])
        ]
    )
    reached = np.where(probabilities >= thresholds, probabilities, -1)
    return np.where((reached >= 0).any(axis=1), reached.argmax(axis=1), -1)


def _estimate_joint(
    confident: NDArray[np.int64], labels: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Return the counts of given and confident labels, scaled to all rows of each given label."""
    joint = np.zeros((count, count))
    counted = confident >= 0
    np.add.at(joint, (labels[counted], confident[counted]), 1)
    rows = np.bincount(labels, minlength=count)
    empty = (joint.sum(axis=1) == 0) & (rows > 0)
    joint[empty, empty] = 1  # no row counts: take the labels for right
    scale = rows / np.maximum(joint.sum(axis=1), 1)
    scaled: NDArray[np.float64] = joint * scale[:, None]
    return scaled
