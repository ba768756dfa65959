"""A measured window as a picture; the only file here that needs matplotlib, which no image has."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from inference.drift.stability import Feature, shares


def plot(features: Sequence[Feature], file: Path) -> None:
    """Write bars of every feature's shares, those of the reference beside the window's."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    for axes, feature in zip(figure.subplots(2, 2).flat, features, strict=True):
        places = np.arange(len(feature.bins))
        axes.bar(places - 0.2, shares(feature.reference), 0.4, label="held-out texts")
        axes.bar(places + 0.2, shares(feature.window), 0.4, label="window")
        axes.set_xticks(places, feature.bins, rotation=45, ha="right", fontsize=7)
        axes.set_title(f"{feature.name}: PSI {feature.psi:.3f} (limit {feature.limit:.3f})")
        axes.set_ylabel("share")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right")
    figure.savefig(file)
