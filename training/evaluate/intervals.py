"""How sure one can be of a figure: 95 % intervals, and two models on the same texts."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from training.evaluate.results import Interval, PairedComparison

REPLICATES = 1000  # the ends of an interval then vary by a few hundredths of its width
PERCENTILES = (2.5, 97.5)  # of a 95 % interval

Mask = NDArray[np.bool_]
Totals = NDArray[np.float64]


def bootstrap(
    counts: NDArray[np.floating],
    clusters: NDArray[np.int64],
    statistic: Callable[[Totals], NDArray[np.float64]],
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

    Returns:
        One interval for each statistic; the same for the same input.
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
    ends = np.percentile(statistic(totals), PERCENTILES, axis=0).T
    return [Interval(low, high) for low, high in ends.tolist()]


def mean_intervals(
    values: Sequence[NDArray[np.floating] | Mask], clusters: NDArray[np.int64]
) -> list[Interval]:
    """Draw the interval of the mean of each of several values, which every text has."""
    counts = np.column_stack([*values, np.ones(len(clusters))]).astype(float)
    return bootstrap(counts, clusters, lambda totals: totals[:, :-1] / totals[:, -1:])


def macro_f1_interval(
    predicted: NDArray[np.int64],
    labels: NDArray[np.int64],
    count: int,
    clusters: NDArray[np.int64],
) -> Interval:
    """Draw the interval of the mean of the F1 scores of `count` labels."""
    true, guessed = np.eye(count)[labels], np.eye(count)[predicted]

    def statistic(totals: Totals) -> NDArray[np.float64]:
        f1 = 2 * totals[:, :count] / np.maximum(totals[:, count:], 1)
        mean: NDArray[np.float64] = f1.mean(axis=1, keepdims=True)
        return mean

    return bootstrap(np.hstack([true * guessed, true + guessed]), clusters, statistic)[0]


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
