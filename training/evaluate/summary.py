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


def measure(
    predicted: Labels,
    labels: Labels,
    count: int,
    clusters: NDArray[np.int64],
    *,
    has_groups: bool = False,
    only_present: bool = False,
) -> Metrics:
    """Measure accuracy and macro-F1, with their intervals.

    Args:
        predicted: the labels that a model gives.
        labels: the true ones.
        count: how many labels there are.
        clusters: the cluster of each text.
        has_groups: whether clusters are groups, so that the accuracy by group means something.
        only_present: whether macro-F1 leaves out labels that no text has.
    """
    right = predicted == labels
    if only_present:
        numbers = intervals.number_present(labels, count)
        predicted, labels, count = numbers[predicted], numbers[labels], len(np.unique(labels))
    by_group = intervals.group_accuracy(right, clusters) if has_groups else (None, None)
    return Metrics(
        accuracy=right.mean(),
        accuracy_interval=intervals.mean_intervals([right], clusters)[0],
        macro_f1=metrics.macro_f1(predicted, labels, count),
        macro_f1_interval=intervals.macro_f1_interval(predicted, labels, count, clusters),
        group_accuracy=by_group[0],
        group_accuracy_interval=by_group[1],
    )


def summarise(
    probabilities: Probabilities,
    labels: Labels,
    names: Sequence[str],
    clusters: NDArray[np.int64],
    *,
    has_groups: bool = False,
    only_present: bool = False,
) -> Summary:
    """Measure all that the report shows of one model on one set of rows; see `measure`."""
    predicted = probabilities.argmax(axis=1)
    measured = measure(
        predicted,
        labels,
        len(names),
        clusters,
        has_groups=has_groups,
        only_present=only_present,
    )
    return Summary(
        **dict(measured),
        texts=len(labels),
        log_loss=metrics.log_loss(probabilities, labels),
        calibration_error=metrics.calibration_error(probabilities, labels),
        calibration_error_interval=intervals.calibration_error_interval(
            probabilities, labels, clusters
        ),
        per_label=measure_labels(predicted, labels, names),
        confusion=count_confusions(predicted, labels, len(names)).tolist(),
    )
