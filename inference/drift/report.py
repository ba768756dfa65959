"""Report a measured window: as a Markdown table, and as a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inference.drift.stability import Feature, smoothed_shares

HEADER = "| feature | PSI | limit | | largest shift |\n|---|---:|---:|---|---|"


def format_table(features: Sequence[Feature]) -> str:
    """Format a table with a row for each feature."""
    return "\n".join([HEADER, *map(_row, features)])


def draw_bars(features: Sequence[Feature], file: Path) -> None:
    """Draw the shares of each feature as bars, the reference and the window side by side."""
    from matplotlib.figure import Figure  # not in the image

    figure = Figure(figsize=(10, 7), layout="constrained")
    for axes, feature in zip(figure.subplots(2, 2).flat, features, strict=True):
        positions = np.arange(len(feature.bins))
        axes.bar(positions - 0.2, smoothed_shares(feature.reference), 0.4, label="held-out texts")
        axes.bar(positions + 0.2, smoothed_shares(feature.window), 0.4, label="window")
        axes.set_xticks(positions, feature.bins, rotation=45, ha="right", fontsize=7)
        axes.set_title(f"{feature.name}: PSI {feature.psi:.3f} (limit {feature.limit:.3f})")
        axes.set_ylabel("share")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right")
    figure.savefig(file)


def _row(feature: Feature) -> str:
    expected, actual = smoothed_shares(feature.reference), smoothed_shares(feature.window)
    largest = int(abs(actual - expected).argmax())
    shift = f"{feature.bins[largest]}: {expected[largest]:.1%} → {actual[largest]:.1%}"
    verdict = "**drifted**" if feature.drifted else "stable"
    return f"| {feature.name} | {feature.psi:.3f} | {feature.limit:.3f} | {verdict} | {shift} |"
