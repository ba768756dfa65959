"""How often a model is right if it may leave out the texts that it is least sure of.

The curve of precision against coverage (El-Yaniv & Wiener 2010,
https://www.jmlr.org/papers/v11/el-yaniv10a.html): of the share of the texts with the greatest
confidences, how many have the right label?
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.atomic import replacing
from training.evaluate.intervals import mean_intervals
from training.evaluate.results import CoveragePoint
from training.metrics import Labels, Probabilities

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)


def measure_coverage(
    probabilities: Probabilities, labels: Labels, clusters: NDArray[np.int64]
) -> list[CoveragePoint]:
    """Measure the precision at each of COVERAGES, the greatest first.

    Texts of equal confidence are labelled together, so that the coverage of a point can be greater
    than was asked for.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    ranked = np.sort(confidence)[::-1]
    points = {}
    for share in COVERAGES:
        least = float(ranked[max(1, round(share * len(ranked))) - 1])
        covered = confidence >= least
        (interval,) = mean_intervals([right[covered]], clusters[covered])
        points[least] = CoveragePoint(
            coverage=float(covered.mean()),
            least_confidence=least,
            precision=float(right[covered].mean()),
            precision_interval=interval,
        )
    return list(points.values())


def plot_coverage(path: Path, curves: Sequence[tuple[str, Probabilities, Labels]]) -> None:
    """Plot precision against coverage, a curve for each model."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    for name, probabilities, labels in curves:
        order = np.argsort(-probabilities.max(axis=1), kind="stable")
        right = (probabilities.argmax(axis=1) == labels)[order]
        counts = np.arange(1, len(right) + 1)
        first = min(len(right) - 1, 20)  # the precision of a handful of texts is noise
        precision = np.cumsum(right) / counts
        axes.plot(counts[first:] / len(right), precision[first:], label=name)
    axes.set(xlabel="share of the texts that is labelled", ylabel="share of these that is right")
    axes.set(title="Precision against coverage", xlim=(0, 1))
    axes.legend(loc="lower left", fontsize="small")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
