"""How well a score ranks texts of another kind above those that a model knows."""

import numpy as np
from numpy.typing import NDArray

from training.evaluate.results import Interval

Z = 1.96  # standard errors on each side of a 95 % interval


def measure_auroc(
    known: NDArray[np.float64], other: NDArray[np.float64], clusters: NDArray[np.int64]
) -> tuple[float, Interval]:
    """Measure the area under the ROC curve of a score that should be high for other texts.

    It is the share of the pairs of a known and another text in which the other one has the higher
    score; equal scores count half. The interval is that of DeLong et al. (1988,
    https://doi.org/10.2307/2531595), with the known texts in clusters (Obuchowski 1997,
    https://doi.org/10.2307/2533958).

    Args:
        known: the scores of texts that the model knows.
        other: the scores of other texts.
        clusters: the cluster of each known text.
    """
    of_other, of_known = _place(other, known), 1 - _place(known, other)
    area = float(of_other.mean())
    variance = _mean_variance(of_other, np.arange(len(other))) + _mean_variance(of_known, clusters)
    half = Z * float(np.sqrt(variance))
    return area, Interval(max(0.0, area - half), min(1.0, area + half))


def _place(scores: NDArray[np.float64], among: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of other scores that each score exceeds."""
    ranked = np.sort(among)
    below = np.searchsorted(ranked, scores, "left") + np.searchsorted(ranked, scores, "right")
    shares: NDArray[np.float64] = below / (2 * len(ranked))
    return shares


def _mean_variance(values: NDArray[np.float64], clusters: NDArray[np.int64]) -> float:
    """Estimate the variance of a mean of values in clusters."""
    _, places = np.unique(clusters, return_inverse=True)
    totals = np.bincount(places, values - values.mean())
    return float(np.square(totals).sum()) / len(values) ** 2
