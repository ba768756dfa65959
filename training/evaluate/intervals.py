"""How sure one can be of a figure: 95 % intervals, and two models on the same texts."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from training.evaluate.results import Interval, PairedComparison
from training.metrics import BINS, Labels, Probabilities, find_bins

REPLICATES = 1000  # the ends of an interval then vary by a few hundredths of its width
DRAWS_AT_ONCE = 1 << 22  # numbers in memory at a time
PERCENTILES = (2.5, 97.5)  # of a 95 % interval

Mask = NDArray[np.bool_]
Totals = NDArray[np.float64]


def bootstrap(
    counts: NDArray[np.floating],
    clusters: NDArray[np.int64],
    statistic: Callable[[Totals], NDArray[np.float64]],
    *,
    centred: bool = False,
) -> list[Interval]:
    """Draw 95 % percentile intervals by resampling whole clusters, for example stories.

    The headlines of one story are near copies of each other: a model gets all of them right or
    all of them wrong, and the split drew stories, not headlines, into the test rows. Resampling
    single rows would treat them as independent trials and give intervals that are far too narrow
    (Davison & Hinkley 1997, section 3.8; Field & Welsh 2007,
    https://doi.org/10.1111/j.1467-9868.2007.00593.x).

    Args:
        counts: what each text adds to each of the totals, shape (texts, totals).
        clusters: the cluster of each text.
        statistic: from totals of shape (replicates, totals) to shape (replicates, statistics).
        centred: whether to move the intervals by the bias of the replicates. Those of macro-F1
            miss rare labels, so that the figure itself would lie above its interval.

    Returns:
        One interval for each statistic; the same for the same input.
    """
    _, places = np.unique(clusters, return_inverse=True)
    size, random = int(places.max()) + 1, np.random.default_rng(0)
    of_cluster = np.empty((size, counts.shape[1]))  # there are no totals if no text has a label
    for total, column in enumerate(counts.T):
        of_cluster[:, total] = np.bincount(places, column)
    # Several replicates at once: one product of matrices is many times as fast as those of vectors.
    at_once = max(1, DRAWS_AT_ONCE // size)
    totals = np.concatenate(
        [
            np.stack([_draw(random, size) for _ in range(start, min(start + at_once, REPLICATES))])
            @ of_cluster
            for start in range(0, REPLICATES, at_once)
        ]
    )
    values = statistic(totals)
    ends = np.percentile(values, PERCENTILES, axis=0).T
    if centred:
        figure = statistic(of_cluster.sum(axis=0, keepdims=True))
        ends -= (values.mean(axis=0) - figure).T
    return [Interval(low, high) for low, high in ends.tolist()]


def _draw(random: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Draw clusters with replacement; returns how often each was drawn."""
    return np.bincount(random.integers(size, size=size), minlength=size).astype(float)


def mean_intervals(
    values: Sequence[NDArray[np.floating] | Mask], clusters: NDArray[np.int64]
) -> list[Interval]:
    """Draw the interval of the mean of each of several values, which every text has."""
    counts = np.column_stack([*values, np.ones(len(clusters))]).astype(float)
    return bootstrap(counts, clusters, lambda totals: totals[:, :-1] / totals[:, -1:])


def group_accuracy(right: Mask, clusters: NDArray[np.int64]) -> tuple[float, Interval]:
    """Return the mean of the accuracies of the groups, and its interval by whole groups.

    A story with a thousand headlines counts no more here than one with two.
    """
    _, places, texts = np.unique(clusters, return_inverse=True, return_counts=True)
    of_group = np.bincount(places, right) / texts
    (interval,) = mean_intervals([of_group], np.arange(len(texts)))
    return float(of_group.mean()), interval


def calibration_error_interval(
    probabilities: Probabilities, labels: Labels, clusters: NDArray[np.int64]
) -> Interval:
    """Draw the interval of the expected calibration error."""
    of_bin = np.eye(BINS)[find_bins(probabilities)]
    gap = (probabilities.argmax(axis=1) == labels) - probabilities.max(axis=1)
    counts = np.hstack([of_bin * gap[:, np.newaxis], np.ones((len(labels), 1))])
    return gap_interval(counts, clusters)


def gap_interval(counts: NDArray[np.float64], clusters: NDArray[np.int64]) -> Interval:
    """Draw the interval of a calibration error.

    Args:
        counts: for each text, by how much it misses the confidence in each bin, and then how many
            answers it counts for; shape (texts, bins + 1).
        clusters: of the texts.
    """
    (interval,) = bootstrap(
        counts,
        clusters,
        lambda totals: np.abs(totals[:, :-1]).sum(axis=1, keepdims=True) / totals[:, -1:],
        centred=True,  # chance makes gaps larger, never smaller
    )
    return clip(interval)


def clip(interval: Interval) -> Interval:
    """Cut an interval to what a share can be; one of few texts that is centred may end beyond."""
    low, high = np.clip(interval, 0.0, 1.0)
    return Interval(float(low), float(high))


def macro_f1_interval(
    predicted: Labels, labels: Labels, count: int, clusters: NDArray[np.int64]
) -> Interval:
    """Draw the interval of the mean of the F1 scores of `count` labels."""
    counts = _f1_counts(predicted, labels, count)
    (interval,) = bootstrap(
        counts, clusters, lambda totals: _macro_f1(totals)[:, np.newaxis], centred=True
    )
    return clip(interval)


def macro_f1_difference(
    predicted: NDArray[np.int64],
    other: NDArray[np.int64],
    labels: NDArray[np.int64],
    count: int,
    clusters: NDArray[np.int64],
) -> Interval:
    """Draw the interval of the macro-F1 of one model less that of another on the same texts.

    Labels that no text has are left out: a model that predicts one of them by chance would lose
    a whole label's share.
    """
    present = np.unique(labels)
    names = number_present(labels, count)
    counts = [_f1_counts(names[each], names[labels], len(present)) for each in (predicted, other)]
    half = counts[0].shape[1]

    def statistic(totals: Totals) -> NDArray[np.float64]:
        return (_macro_f1(totals[:, :half]) - _macro_f1(totals[:, half:]))[:, np.newaxis]

    return bootstrap(np.hstack(counts), clusters, statistic, centred=True)[0]


def number_present(labels: Labels, count: int) -> Labels:
    """Give the labels that texts have new numbers; all others share the next one."""
    present = np.unique(labels)
    numbers = np.full(count, len(present))
    numbers[present] = np.arange(len(present))
    return numbers


def _f1_counts(
    predicted: NDArray[np.int64], labels: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Return what each text adds to the hits of each label, and to its texts and predictions."""
    one_hot = np.eye(count + 1)[:, :count]  # numbers beyond the labels are none of them
    true, guessed = one_hot[labels], one_hot[predicted]
    return np.hstack([true * guessed, true + guessed])


def _macro_f1(totals: Totals) -> NDArray[np.float64]:
    hits, occurrences = np.split(totals, 2, axis=1)
    mean: NDArray[np.float64] = (2 * hits / np.maximum(occurrences, 1)).mean(axis=1)
    return mean


def measure_difference(
    right: Mask, other_right: Mask, clusters: NDArray[np.int64]
) -> PairedComparison:
    """Compare two models on the same texts, by which of these each of them gets right.

    ``mcnemar_p`` comes from McNemar's exact test (https://doi.org/10.1007/BF02295996): the
    probability of a split of the disagreements at least as uneven if neither model is better.
    The test treats texts as independent; where clusters are large, trust the interval of the
    difference, which does not.
    """
    only = int((right & ~other_right).sum())
    other_only = int((other_right & ~right).sum())
    difference = right.astype(float) - other_right
    accuracy, other_accuracy, between = mean_intervals([right, other_right, difference], clusters)
    return PairedComparison(
        texts=len(right),
        accuracy=right.mean(),
        accuracy_interval=accuracy,
        other_accuracy=other_right.mean(),
        other_accuracy_interval=other_accuracy,
        difference=difference.mean(),
        difference_interval=between,
        only_right=only,
        other_only_right=other_only,
        mcnemar_p=binomtest(only, only + other_only).pvalue if only + other_only else 1.0,
    )
