"""Report a measured window: as a Markdown table, and as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inference.drift.live_accuracy import Agreement, LiveAccuracy
from inference.drift.stability import OF_LABEL, Feature, smoothed_shares

FEEDBACK_HEADER = (
    "| predicted | feedback | agreed | share | 95 % interval |\n|---|---:|---:|---:|---|"
)
# The model is better than this share says, because people mostly correct what is wrong.
FEEDBACK_CAVEAT = (
    "People correct what is wrong more often than they confirm what is right, so this is the "
    "accuracy only if feedback was asked for on a random sample of texts. Otherwise, compare it "
    "with earlier weeks."
)
MAX_CORRECTIONS = 5  # that are listed
HEADER = "| feature | PSI | limit | | largest shift |\n|---|---:|---:|---|---|"


def format_table(features: Sequence[Feature]) -> str:
    """Format a table with a row for each feature."""
    return "\n".join([HEADER, *map(_row, features)])


def format_feedback(live: LiveAccuracy | None) -> str:
    """Format what clients said: a sentence, how to read it, and a row for each label."""
    if live is None:
        return "No feedback in this time."
    rows = [_agreement_row(one) for one in live.by_label]
    replaced = [
        f"{one.predicted} → {one.label}: {one.times:,}"
        for one in live.corrections[:MAX_CORRECTIONS]
    ]
    low, high = live.total.interval
    return "\n".join(
        [
            f"Feedback agrees with {live.total.agreed:,} of {live.total.feedback:,} labels: "
            f"{live.total.share:.1%} (95 % interval {low:.1%} to {high:.1%}).",
            FEEDBACK_CAVEAT,
            "",
            FEEDBACK_HEADER,
            *rows,
            *(["", f"Corrected most often: {'; '.join(replaced)}"] if replaced else []),
        ]
    )


def draw_bars(features: Sequence[Feature], file: Path) -> None:
    """Draw the shares of each feature as bars, the reference and the window side by side."""
    from matplotlib.figure import Figure  # not in the image

    shown = _gather_panels(features)
    rows = (len(shown) + 1) // 2
    figure = Figure(figsize=(10, 3.5 * rows), layout="constrained")
    panels = list(figure.subplots(rows, 2).flat)
    for unused in panels[len(shown) :]:
        unused.set_axis_off()
    for axes, panel in zip(panels, shown, strict=False):
        positions = np.arange(len(panel.bins))
        axes.bar(positions - 0.2, panel.reference, 0.4, label="held-out texts")
        axes.bar(positions + 0.2, panel.window, 0.4, label="window")
        axes.set_xticks(positions, panel.bins, rotation=45, ha="right", fontsize=7)
        axes.set_title(panel.title)
        axes.set_ylabel("share")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right")
    figure.savefig(file)


class _Panel(NamedTuple):
    """What a part of the picture shows."""

    title: str
    bins: Sequence[str]
    reference: Sequence[float]  # shares
    window: Sequence[float]


def _gather_panels(features: Sequence[Feature]) -> list[_Panel]:
    """Return a panel for each feature, and one for all features that are of one label."""
    of_labels = [feature for feature in features if feature.is_of_one_label]
    panels = [
        _Panel(
            f"{feature.name}: PSI {feature.psi:.3f} (limit {feature.limit:.3f})",
            feature.bins,
            smoothed_shares(feature.reference).tolist(),
            smoothed_shares(feature.window).tolist(),
        )
        for feature in features
        if not feature.is_of_one_label
    ]
    if not of_labels:
        return panels
    worst = max(of_labels, key=lambda feature: feature.psi)
    labels = _Panel(
        f"texts with each label; greatest PSI {worst.psi:.3f} (limit {worst.limit:.3f})",
        [feature.name.removeprefix(OF_LABEL) for feature in of_labels],
        [float(smoothed_shares(feature.reference)[0]) for feature in of_labels],
        [float(smoothed_shares(feature.window)[0]) for feature in of_labels],
    )
    return [labels, *panels]


def _agreement_row(agreement: Agreement) -> str:
    low, high = agreement.interval
    return (
        f"| {agreement.label} | {agreement.feedback:,} | {agreement.agreed:,} "
        f"| {agreement.share:.1%} | {low:.1%} to {high:.1%} |"
    )


def _row(feature: Feature) -> str:
    expected, actual = smoothed_shares(feature.reference), smoothed_shares(feature.window)
    largest = int(abs(actual - expected).argmax())
    shift = f"{feature.bins[largest]}: {expected[largest]:.1%} → {actual[largest]:.1%}"
    verdict = "**drifted**" if feature.drifted else "stable"
    return f"| {feature.name} | {feature.psi:.3f} | {feature.limit:.3f} | {verdict} | {shift} |"
