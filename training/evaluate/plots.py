"""The plots of a report: the confusion matrix, and how well calibrated a model is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from training.atomic import replacing
from training.evaluate.confusion import choose_labels
from training.labels.names import shorten
from training.metrics import (
    BINS,
    Labels,
    Probabilities,
    bin_by_confidence,
    calibration_error,
)

FEW_LABELS, MOST_LABELS = 12, 40  # with a share in each cell; in one picture


def plot_confusion(path: Path, matrix: Sequence[Sequence[int]], names: Sequence[str]) -> None:
    """Plot which share of each true label is predicted as what.

    Labels that are confused are next to each other. Of many labels, the most confused are shown.
    """
    chosen = choose_labels(matrix, MOST_LABELS)
    counts = np.array(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shown, ticks = shares[np.ix_(chosen, chosen)], name_ticks(names)
    side = max(4.4, 0.28 * len(chosen) + 2.5)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shown, cmap="Blues", vmin=0, vmax=1)
    title = "Share of each true label"
    if len(chosen) < len(names):
        title += f"\n(the {len(chosen)} most confused of {len(names)} labels)"
    axes.set(xlabel="predicted", ylabel="true", title=title)
    rotation = {"rotation": 30, "ha": "right"} if len(chosen) <= FEW_LABELS else {"rotation": 90}
    size = "medium" if len(chosen) <= FEW_LABELS else "x-small"
    axes.set_xticks(range(len(chosen)), [ticks[i] for i in chosen], fontsize=size, **rotation)
    axes.set_yticks(range(len(chosen)), [ticks[i] for i in chosen], fontsize=size)
    if len(chosen) <= FEW_LABELS:
        for (row, column), share in np.ndenumerate(shown):
            color = "white" if share > 0.5 else "black"
            axes.text(column, row, f"{share:.1%}", ha="center", va="center", color=color)
    save(figure, path)


def name_ticks(names: Sequence[str]) -> list[str]:
    """Name labels on an axis: by their number if the font lacks one of their characters."""
    font = get_font(findfont(FontProperties()))
    return [
        _escape(name) if all(font.get_char_index(ord(c)) for c in name) else number_label(number)
        for number, name in enumerate(shorten(names))
    ]


def number_label(number: int) -> str:
    """Name a label that the plots cannot write."""
    return f"label {number + 1}"


def _escape(name: str) -> str:
    """Keep matplotlib from reading a formula between two dollar signs."""
    return name.replace("$", r"\$")


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
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
