"""How good predictions are.

Probabilities have shape (texts, labels); labels, (texts,).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import minimize_scalar
from sklearn.metrics import f1_score

BINS = 15  # of confidence, equally wide
PRIOR_ROWS = 10  # of temperature 1
LEAST_PROBABILITY = 1e-15  # a right label that got 0 has a finite log loss

Probabilities = NDArray[np.float64]
Labels = NDArray[np.int64]


class Bin(NamedTuple):
    """The texts whose confidence lies in one bin."""

    confidence: float  # mean
    accuracy: float
    texts: int


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> Probabilities:
    """Turn logits, divided by a temperature, into probabilities."""
    scaled = np.asarray(logits, np.float64) / temperature
    probabilities: Probabilities = special.softmax(scaled, axis=1)
    return probabilities


def fit_temperature(
    logits: NDArray[np.floating],
    labels: Labels,
    further: Sequence[tuple[NDArray[np.floating], Labels]] = (),
) -> float:
    """Find the temperature with the least log loss on these rows (Guo et al. 2017).

    With further rows, the temperature has the least mean of the log losses of all sources: a few
    thousand headlines of others then count as much as many more held-out rows, on which a model
    that has learnt their publishers and their year may well be more confident.

    A few rows that are all right would drive the temperature to 0, and every confidence to 1. So
    it is drawn towards 1 as if there were ``PRIOR_ROWS`` more rows, whose mean log loss rises by
    half the square of the temperature's logarithm. Thousands of rows outweigh them.

    Args:
        logits: of the first source, shape (rows, labels).
        labels: of its rows.
        further: logits and labels of the other sources.
    """
    sources = [(logits, labels), *further]
    prior = weigh_prior([len(labels) for _, labels in sources])

    def loss(power: float) -> float:
        temperature = float(np.exp(power))
        losses = [log_loss(softmax(logits, temperature), labels) for logits, labels in sources]
        return float(np.mean(losses)) + prior * power**2 / 2

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def weigh_prior(rows: Sequence[int]) -> float:
    """Return how much ``PRIOR_ROWS`` weigh next to sources with these numbers of rows."""
    # The variance of a mean of means is that of one mean over this many rows.
    effective = len(rows) ** 2 / sum(1 / each for each in rows)
    return PRIOR_ROWS / effective


def log_loss(probabilities: Probabilities, labels: Labels) -> float:
    """Compute the mean negative log probability (nats) of the right label."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(right, LEAST_PROBABILITY)).mean())


def macro_f1(predicted: Labels, labels: Labels, count: int) -> float:
    """Compute the mean of the F1 scores of `count` labels; one that never occurs has 0."""
    return float(f1_score(labels, predicted, labels=range(count), average="macro", zero_division=0))


def macro_f1_of_present(predicted: Labels, labels: Labels) -> float:
    """Compute the mean of the F1 scores of those labels that the texts have."""
    present = np.unique(labels)
    return float(f1_score(labels, predicted, labels=present, average="macro", zero_division=0))


def find_bins(probabilities: Probabilities) -> NDArray[np.int64]:
    """Return the number of the bin of each text's confidence, shape (texts,)."""
    confidence = probabilities.max(axis=1)
    bins: NDArray[np.int64] = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return bins


def bin_by_confidence(probabilities: Probabilities, labels: Labels) -> list[Bin]:
    """Group texts by confidence; empty bins are left out."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    places = find_bins(probabilities)
    return [
        Bin(float(confidence[places == b].mean()), float(right[places == b].mean()), int(texts))
        for b, texts in enumerate(np.bincount(places, minlength=BINS))
        if texts
    ]


def calibration_error(probabilities: Probabilities, labels: Labels) -> float:
    """Compute the expected calibration error (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""
    bins = bin_by_confidence(probabilities, labels)
    return sum(b.texts * abs(b.accuracy - b.confidence) for b in bins) / len(labels)
