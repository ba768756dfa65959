"""Plot a measured window; the only module here that needs matplotlib, which the image lacks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from inference.drift.stability import Feature, smoothed_shares


def plot(features: Sequence[Feature], file: Path) -> None:
    """Draw the shares of each feature as bars, the reference and the window side by side."""
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
