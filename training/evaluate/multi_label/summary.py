"""Measure a model that may give a text several labels, and compare it with another one.

Probabilities, labels and answers have shape (texts, labels); the clusters of texts, (texts,).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from training import multi_label
from training.evaluate.intervals import bootstrap, clip, gap_interval
from training.evaluate.multi_label.results import Comparison, Metrics, Summary
from training.evaluate.results import Interval, LabelMetrics
from training.metrics import BINS, Probabilities
from training.multi_label import Answers

Totals = NDArray[np.float64]
Clusters = NDArray[np.int64]


def measure(
    answers: Answers,
    scores: NDArray[np.floating] | Answers,
    labels: Answers,
    clusters: Clusters,
    *,
    only_present: bool = False,
) -> Metrics:
    """Measure F1, subset accuracy and the ranking of the labels, with their intervals.

    Args:
        answers: the labels that a model gives.
        scores: how sure it is of each label, in any unit; it ranks the labels by them.
        labels: the true ones.
        clusters: the cluster of each text.
        only_present: whether macro-F1 leaves out labels that no text has.
    """
    kept = labels.any(axis=0) if only_present else np.ones(labels.shape[1], bool)
    exact = (answers == labels).all(axis=1)
    ranking = multi_label.ranking_precision(np.asarray(scores, np.float64), labels)
    counts = _count(answers, labels)
    means = np.column_stack([exact, ranking, np.ones(len(labels))])
    micro, accuracy, ranked = bootstrap(
        np.hstack([counts, means]),
        clusters,
        lambda totals: np.column_stack(
            [_micro_f1(totals[:, :-3]), totals[:, -3:-1] / totals[:, -1:]]
        ),
    )
    (macro,) = bootstrap(
        _count(answers[:, kept], labels[:, kept]),
        clusters,
        lambda totals: _macro_f1(totals)[:, np.newaxis],
        centred=True,
    )
    return Metrics(
        micro_f1=multi_label.micro_f1(answers, labels),
        micro_f1_interval=micro,
        macro_f1=multi_label.macro_f1(answers[:, kept], labels[:, kept]),
        macro_f1_interval=clip(macro),
        accuracy=float(exact.mean()),
        accuracy_interval=accuracy,
        ranking_precision=float(ranking.mean()),
        ranking_precision_interval=ranked,
    )


def summarise(
    probabilities: Probabilities,
    answers: Answers,
    labels: Answers,
    names: Sequence[str],
    clusters: Clusters,
    *,
    only_present: bool = False,
) -> Summary:
    """Measure all that the report shows of one model on one set of rows; see `measure`."""
    return Summary(
        **dict(measure(answers, probabilities, labels, clusters, only_present=only_present)),
        texts=len(labels),
        log_loss=multi_label.log_loss(probabilities, labels),
        calibration_error=multi_label.calibration_error(probabilities, labels),
        calibration_error_interval=_calibration_error_interval(probabilities, labels, clusters),
        labels_per_text=float(labels.sum(axis=1).mean()),
        predicted_per_text=float(answers.sum(axis=1).mean()),
        without_label=int((~answers.any(axis=1)).sum()),
        per_label=measure_labels(answers, labels, names),
    )


def measure_labels(
    answers: Answers, labels: Answers, names: Sequence[str]
) -> dict[str, LabelMetrics]:
    """Measure each label on its own; one that is never given has precision 0."""
    columns: Any = precision_recall_fscore_support(labels, answers, zero_division=0)
    return {
        name: LabelMetrics(precision=precision, recall=recall, f1=f1, texts=int(texts))
        for name, precision, recall, f1, texts in zip(names, *columns, strict=True)
    }


def compare(answers: Answers, other: Answers, labels: Answers, clusters: Clusters) -> Comparison:
    """Compare two models on the same texts.

    Labels that no text has are left out of the difference in macro-F1.
    """
    present = labels.any(axis=0)
    first, second = _count(answers, labels), _count(other, labels)
    exact, other_exact = ((each == labels).all(axis=1) for each in (answers, other))
    gain = exact.astype(float) - other_exact
    micro, accuracy = bootstrap(
        np.hstack([first, second, gain[:, np.newaxis], np.ones((len(labels), 1))]),
        clusters,
        lambda totals: np.column_stack(
            [
                _difference(totals[:, :-2], _micro_f1),
                totals[:, -2] / totals[:, -1],
            ]
        ),
    )
    kept = np.hstack([_count(each[:, present], labels[:, present]) for each in (answers, other)])
    (macro,) = bootstrap(
        kept,
        clusters,
        lambda totals: _difference(totals, _macro_f1)[:, np.newaxis],
        centred=True,
    )
    micro_f1, other_micro_f1 = (multi_label.micro_f1(each, labels) for each in (answers, other))
    macro_f1, other_macro_f1 = (
        multi_label.macro_f1(each[:, present], labels[:, present]) for each in (answers, other)
    )
    return Comparison(
        texts=len(labels),
        micro_f1=micro_f1,
        other_micro_f1=other_micro_f1,
        difference=micro_f1 - other_micro_f1,
        difference_interval=micro,
        macro_f1_difference=macro_f1 - other_macro_f1,
        macro_f1_interval=macro,
        accuracy_difference=float(gain.mean()),
        accuracy_interval=accuracy,
    )


def micro_f1_interval(answers: Answers, labels: Answers, clusters: Clusters) -> Interval:
    """Draw the interval of micro-F1."""
    (interval,) = bootstrap(
        _count(answers, labels), clusters, lambda totals: _micro_f1(totals)[:, np.newaxis]
    )
    return interval


def _count(answers: Answers, labels: Answers) -> NDArray[np.float64]:
    """Return what each text adds to the hits of each label, and to its texts and answers."""
    return np.hstack([answers & labels, answers.astype(float) + labels])


def _micro_f1(totals: Totals) -> NDArray[np.float64]:
    hits, occurrences = np.split(totals, 2, axis=1)
    total = occurrences.sum(axis=1)
    # As in `multi_label.micro_f1`, texts without labels that get none are right.
    found: NDArray[np.float64] = np.where(
        total > 0, 2 * hits.sum(axis=1) / np.maximum(total, 1), 1.0
    )
    return found


def _macro_f1(totals: Totals) -> NDArray[np.float64]:
    hits, occurrences = np.split(totals, 2, axis=1)
    if not hits.shape[1]:
        return np.zeros(len(totals))
    mean: NDArray[np.float64] = (2 * hits / np.maximum(occurrences, 1)).mean(axis=1)
    return mean


def _difference(totals: Totals, statistic: Any) -> NDArray[np.float64]:
    first, second = np.split(totals, 2, axis=1)
    difference: NDArray[np.float64] = statistic(first) - statistic(second)
    return difference


def _calibration_error_interval(
    probabilities: Probabilities, labels: Answers, clusters: Clusters
) -> Interval:
    """Draw the interval of the expected calibration error of all decisions."""
    bins, gaps = multi_label.find_bins(probabilities), labels - probabilities
    counts = np.zeros((len(labels), BINS + 1))
    for label in range(labels.shape[1]):
        np.add.at(counts, (np.arange(len(labels)), bins[:, label]), gaps[:, label])
    counts[:, BINS] = labels.shape[1]
    return gap_interval(counts, clusters)
