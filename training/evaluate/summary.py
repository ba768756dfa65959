"""Measure one model on one set of rows.

Probabilities have shape (texts, labels); labels, and the clusters of texts, (texts,).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from training import metrics
from training.evaluate import intervals
from training.evaluate.results import LabelMetrics, Metrics, Summary
from training.metrics import Labels, Probabilities


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
        macro_f1=metrics.macro_f1(predicted, labels, count),
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
        log_loss=metrics.log_loss(probabilities, labels),
        calibration_error=metrics.calibration_error(probabilities, labels),
        per_label=measure_labels(predicted, labels, names),
        confusion=count_confusions(predicted, labels, len(names)).tolist(),
    )
