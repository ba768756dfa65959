"""How good predictions are.

Probabilities have shape (texts, labels); labels, and the clusters of texts, (texts,).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import minimize_scalar
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from training.evaluate import intervals
from training.evaluate.results import LabelMetrics, Metrics, Summary

BINS = 15  # of confidence, equally wide
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


def fit_temperature(logits: NDArray[np.floating], labels: Labels) -> float:
    """Find the temperature with the least log loss on these rows (Guo et al. 2017)."""
    fit = minimize_scalar(
        lambda power: log_loss(softmax(logits, float(np.exp(power))), labels),
        bounds=(-3.0, 3.0),
        method="bounded",
    )
    return float(np.exp(fit.x))


def log_loss(probabilities: Probabilities, labels: Labels) -> float:
    """Compute the mean negative log probability (nats) of the right label."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(right, LEAST_PROBABILITY)).mean())


def macro_f1(predicted: Labels, labels: Labels, count: int) -> float:
    """Compute the mean of the F1 scores of `count` labels; one that never occurs has 0."""
    return float(f1_score(labels, predicted, labels=range(count), average="macro", zero_division=0))


def bin_by_confidence(probabilities: Probabilities, labels: Labels) -> list[Bin]:
    """Group texts by confidence; empty bins are left out."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        Bin(float(confidence[places == b].mean()), float(right[places == b].mean()), int(texts))
        for b, texts in enumerate(np.bincount(places, minlength=BINS))
        if texts
    ]


def calibration_error(probabilities: Probabilities, labels: Labels) -> float:
    """Compute the expected calibration error (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""
    bins = bin_by_confidence(probabilities, labels)
    return sum(b.texts * abs(b.accuracy - b.confidence) for b in bins) / len(labels)


def count_confusions(predicted: Labels, labels: Labels, count: int) -> NDArray[np.int64]:
    """Count texts by true label (row) and predicted label (column), shape (count, count)."""
    matrix: NDArray[np.int64] = confusion_matrix(labels, predicted, labels=range(count))
    return matrix


def measure_labels(
    predicted: Labels, labels: Labels, names: Sequence[str]
) -> dict[str, LabelMetrics]:
    """Measure each label on its own; one that is never predicted has precision 0."""
    columns = precision_recall_fscore_support(
        labels, predicted, labels=range(len(names)), zero_division=0
    )
    return {
        name: LabelMetrics(precision=precision, recall=recall, f1=f1, texts=int(texts))
        for name, precision, recall, f1, texts in zip(names, *columns, strict=True)
    }


def measure(predicted: Labels, labels: Labels, count: int, clusters: NDArray[np.int64]) -> Metrics:
    """Measure accuracy and macro-F1 over `count` labels, with their intervals."""
    right = predicted == labels
    return Metrics(
        accuracy=right.mean(),
        accuracy_interval=intervals.mean_intervals([right], clusters)[0],
        macro_f1=macro_f1(predicted, labels, count),
        macro_f1_interval=intervals.macro_f1_interval(predicted, labels, count, clusters),
    )


def summarise(
    probabilities: Probabilities,
    labels: Labels,
    names: Sequence[str],
    clusters: NDArray[np.int64],
) -> Summary:
    """Measure all that the report shows of one model on one set of rows."""
    predicted = probabilities.argmax(axis=1)
    return Summary(
        **dict(measure(predicted, labels, len(names), clusters)),
        texts=len(labels),
        log_loss=log_loss(probabilities, labels),
        calibration_error=calibration_error(probabilities, labels),
        per_label=measure_labels(predicted, labels, names),
        confusion=count_confusions(predicted, labels, len(names)).tolist(),
    )
