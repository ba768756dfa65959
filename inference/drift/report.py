"""Report a measured window as a Markdown table."""

from collections.abc import Sequence

from inference.drift.stability import Feature, smoothed_shares

HEADER = "| feature | PSI | limit | | largest shift |\n|---|---:|---:|---|---|"


def format_table(features: Sequence[Feature]) -> str:
    """Format a table with a row for each feature."""
    return "\n".join([HEADER, *map(_row, features)])


def _row(feature: Feature) -> str:
    expected, actual = smoothed_shares(feature.reference), smoothed_shares(feature.window)
    largest = int(abs(actual - expected).argmax())
    shift = f"{feature.bins[largest]}: {expected[largest]:.1%} → {actual[largest]:.1%}"
    verdict = "**drifted**" if feature.drifted else "stable"
    return f"| {feature.name} | {feature.psi:.3f} | {feature.limit:.3f} | {verdict} | {shift} |"
