"""How good predictions are, and how sure one can be of it.

Probabilities have shape (texts, labels); labels, and clusters of texts, (texts,).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

REPLICATES = 1000  # the ends of an interval then vary by a few hundredths of its width
PERCENTILES = (2.5, 97.5)  # of a 95 % interval

Probabilities = NDArray[np.float64]
Labels = NDArray[np.int64]
Totals = NDArray[np.float64]


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> Probabilities:
    """Probabilities of logits divided by a temperature."""
    scaled = np.asarray(logits, np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: Probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result


def accuracy(predicted: Labels, labels: Labels) -> float:
    """Share of texts whose label is right."""
    return float(np.mean(predicted == labels))


def confusion(predicted: Labels, labels: Labels, count: int) -> NDArray[np.int64]:
    """Texts by true label (row) and predicted label (column), shape (count, count)."""
    matrix = np.zeros((count, count), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


def per_label(matrix: NDArray[np.int64], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and number of texts of each label of a confusion matrix."""
    right = np.diag(matrix).astype(float)
    true, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    precision, recall = right / np.maximum(predicted, 1), right / np.maximum(true, 1)
    f1 = 2 * right / np.maximum(true + predicted, 1)
    return {
        name: {
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "texts": int(true[i]),
        }
        for i, name in enumerate(names)
    }


def macro_f1(predicted: Labels, labels: Labels, count: int) -> float:
    """The mean of the labels' F1 scores."""
    scores = per_label(confusion(predicted, labels, count), [str(i) for i in range(count)])
    return float(np.mean([score["f1"] for score in scores.values()]))


def log_loss(probabilities: Probabilities, labels: Labels) -> float:
    """Mean negative log probability (nats) of the right label."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(right, 1e-15)).mean())


def reliability(
    probabilities: Probabilities, labels: Labels, bins: int = 15
) -> list[tuple[float, float, int]]:
    """Mean confidence, accuracy and number of texts in equal-width bins of confidence."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        (float(confidence[place == b].mean()), float(right[place == b].mean()), int(n))
        for b, n in enumerate(np.bincount(place, minlength=bins))
        if n
    ]


def calibration_error(probabilities: Probabilities, labels: Labels, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""
    rows = reliability(probabilities, labels, bins)
    return sum(n * abs(right - confident) for confident, right, n in rows) / len(labels)


def fit_temperature(logits: NDArray[np.floating], labels: Labels) -> float:
    """The temperature with the least log loss on these rows (Guo et al. 2017)."""
    fit = minimize_scalar(
        lambda power: log_loss(softmax(logits, float(np.exp(power))), labels),
        bounds=(-3.0, 3.0),
        method="bounded",
    )
    return float(np.exp(fit.x))


def bootstrap(
    counts: NDArray[np.floating],
    clusters: NDArray[np.int64],
    statistic: Callable[[Totals], NDArray[np.float64]],
) -> list[list[float]]:
    """95 % percentile intervals by resampling whole clusters of texts, such as stories.

    The headlines of one story are near copies of each other: a model is right or wrong about
    them together, and what was drawn into the test rows is the story. Resampling single rows
    would take them for so many independent trials and give intervals that are far too narrow
    (Davison & Hinkley 1997, section 3.8; Field & Welsh 2007,
    https://doi.org/10.1111/j.1467-9868.2007.00593.x).

    Args:
        counts: what each text adds to each of the totals, shape (texts, totals).
        clusters: the cluster of each text.
        statistic: from totals of shape (replicates, totals) to shape (replicates, statistics).

    Returns:
        The low and high end for each statistic; the same for the same input.
    """
    _, places = np.unique(clusters, return_inverse=True)
    of_cluster = np.stack([np.bincount(places, column) for column in counts.T], axis=1)
    size, random = len(of_cluster), np.random.default_rng(0)
    totals = np.stack(
        [
            np.bincount(random.integers(size, size=size), minlength=size) @ of_cluster
            for _ in range(REPLICATES)
        ]
    )
    ends: list[list[float]] = np.percentile(statistic(totals), PERCENTILES, axis=0).T.tolist()
    return ends


def mean_intervals(
    values: Sequence[NDArray[np.floating] | NDArray[np.bool_]], clusters: NDArray[np.int64]
) -> list[list[float]]:
    """Bootstrap intervals of the means of several values of each text."""
    counts = np.column_stack([*values, np.ones(len(clusters))]).astype(float)
    return bootstrap(counts, clusters, lambda totals: totals[:, :-1] / totals[:, -1:])


def macro_f1_interval(
    predicted: Labels, labels: Labels, count: int, clusters: NDArray[np.int64]
) -> list[float]:
    """Bootstrap interval of the mean of the labels' F1 scores."""
    true, found = np.eye(count)[labels], np.eye(count)[predicted]

    def statistic(totals: Totals) -> NDArray[np.float64]:
        f1 = 2 * totals[:, :count] / np.maximum(totals[:, count:], 1)
        mean: NDArray[np.float64] = f1.mean(axis=1, keepdims=True)
        return mean

    return bootstrap(np.hstack([true * found, true + found]), clusters, statistic)[0]


def paired(
    right: NDArray[np.bool_], other: NDArray[np.bool_], clusters: NDArray[np.int64]
) -> dict[str, Any]:
    """A model next to another one on the same texts, by which of them each is right about.

    ``mcnemar_p`` is of McNemar's exact test (https://doi.org/10.1007/BF02295996): how likely
    so uneven a share of the disagreements is if neither is better. It takes texts for
    independent; where clusters are large, trust the interval of the difference, which does not.
    """
    only, other_only = int((right & ~other).sum()), int((other & ~right).sum())
    difference = right.astype(float) - other
    intervals = mean_intervals([right, other, difference], clusters)
    return {
        "texts": len(right),
        "accuracy": float(right.mean()),
        "accuracy_interval": intervals[0],
        "other_accuracy": float(other.mean()),
        "other_accuracy_interval": intervals[1],
        "difference": float(difference.mean()),
        "difference_interval": intervals[2],
        "only_right": only,
        "other_only_right": other_only,
        "mcnemar_p": float(binomtest(only, only + other_only).pvalue) if only + other_only else 1.0,
    }


def scores(
    predicted: Labels, labels: Labels, count: int, clusters: NDArray[np.int64]
) -> dict[str, Any]:
    """Accuracy and macro-F1 with their intervals."""
    return {
        "accuracy": accuracy(predicted, labels),
        "accuracy_interval": mean_intervals([predicted == labels], clusters)[0],
        "macro_f1": macro_f1(predicted, labels, count),
        "macro_f1_interval": macro_f1_interval(predicted, labels, count, clusters),
    }


def summary(
    probabilities: Probabilities,
    labels: Labels,
    names: Sequence[str],
    clusters: NDArray[np.int64],
) -> dict[str, Any]:
    """Every figure of the report for one model on one set of rows."""
    predicted = probabilities.argmax(axis=1)
    matrix = confusion(predicted, labels, len(names))
    return {
        "texts": len(labels),
        **scores(predicted, labels, len(names), clusters),
        "log_loss": log_loss(probabilities, labels),
        "calibration_error": calibration_error(probabilities, labels),
        "per_label": per_label(matrix, names),
        "confusion": matrix.tolist(),
    }
