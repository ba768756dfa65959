"""The plots of a report: the confusion matrix, and how well calibrated a model is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from training.atomic import replacing
from training.metrics import (
    BINS,
    Labels,
    Probabilities,
    bin_by_confidence,
    calibration_error,
)


def plot_confusion(path: Path, matrix: Sequence[Sequence[int]], names: Sequence[str]) -> None:
    """Plot which share of each true label is predicted as what."""
    counts = np.array(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(5, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true", title="Share of each true label")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    for (row, column), share in np.ndenumerate(shares):
        color = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{share:.1%}", ha="center", va="center", color=color)
    _save(figure, path)


def plot_reliability(
    path: Path, before: Probabilities, after: Probabilities, labels: Labels
) -> None:
    """Plot accuracy by confidence, before and after temperature scaling."""
    figure = Figure(figsize=(5, 5.5), layout="constrained")
    axes, histogram = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfect")
    for name, probabilities in (("before", before), ("after", after)):
        bins = bin_by_confidence(probabilities, labels)
        error = calibration_error(probabilities, labels)
        axes.plot(
            [b.confidence for b in bins],
            [b.accuracy for b in bins],
            marker="o",
            label=f"{name} temperature scaling, error {error:.3f}",
        )
        histogram.hist(probabilities.max(axis=1), bins=BINS, range=(0, 1), histtype="step")
    axes.set(ylabel="accuracy", title="Reliability", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left", fontsize="small")
    histogram.set(xlabel="confidence", ylabel="texts")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
