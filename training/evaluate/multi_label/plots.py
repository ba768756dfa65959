"""The plot of a report where a text may have several labels."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.evaluate.plots import save
from training.metrics import BINS, Probabilities
from training.multi_label import Answers, find_bins


def plot_reliability(
    path: Path, before: Probabilities, after: Probabilities, labels: Answers
) -> None:
    """Draw how often labels with a certain probability apply, before and after scaling.

    Both axes count all decisions about all labels; a calibrated model is on the diagonal.
    """
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="lightgrey")
    for name, probabilities in (("uncalibrated", before), ("calibrated", after)):
        means, shares = _bin(probabilities, labels)
        axes.plot(means, shares, marker="o", label=name)
    axes.set(xlabel="probability of a label", ylabel="share of texts that have it")
    axes.legend()
    save(figure, path)


def _bin(
    probabilities: Probabilities, labels: Answers
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean probability and the share of right ones in each bin that is not empty."""
    bins = find_bins(probabilities).ravel()
    counts = np.bincount(bins, minlength=BINS)
    used = counts > 0
    sums = (
        np.bincount(bins, values.ravel(), minlength=BINS)[used] / counts[used]
        for values in (probabilities, labels)
    )
    means, shares = sums
    return means, shares
