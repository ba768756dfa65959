"""A measured window as a Markdown table."""

from collections.abc import Sequence

from inference.drift.stability import Feature, shares

HEADER = "| feature | PSI | limit | | largest shift |\n|---|---:|---:|---|---|"


def table(features: Sequence[Feature]) -> str:
    """A row a feature."""
    return "\n".join([HEADER, *map(_row, features)])


def _row(feature: Feature) -> str:
    expected, actual = shares(feature.reference), shares(feature.window)
    most = int(abs(actual - expected).argmax())
    shift = f"{feature.bins[most]}: {expected[most]:.1%} → {actual[most]:.1%}"
    verdict = "**drifted**" if feature.drifted else "stable"
    return f"| {feature.name} | {feature.psi:.3f} | {feature.limit:.3f} | {verdict} | {shift} |"
