"""How good predictions are. Probabilities have shape (texts, labels), labels (texts,)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Probabilities = NDArray[np.float64]
Labels = NDArray[np.int64]


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


def summary(
    probabilities: Probabilities, labels: Labels, names: Sequence[str]
) -> dict[str, object]:
    """Every figure of the report for one model on one set of rows."""
    predicted = probabilities.argmax(axis=1)
    matrix = confusion(predicted, labels, len(names))
    return {
        "texts": len(labels),
        "accuracy": accuracy(predicted, labels),
        "macro_f1": macro_f1(predicted, labels, len(names)),
        "log_loss": log_loss(probabilities, labels),
        "calibration_error": calibration_error(probabilities, labels),
        "per_label": per_label(matrix, names),
        "confusion": matrix.tolist(),
    }
