"""How far the predictions of a window are from those on the held-out texts.

The population stability index (PSI) is the sum over bins of (w - r) ln(w / r), for the shares w
in the window and r in the reference (Siddiqi, Credit Risk Scorecards, 2006); by his rule of
thumb 0.1 is a small shift, and 0.25 a large one. Without any shift, PSI / (1/n + 1/m) of samples
of n and m is about chi-square with a degree of freedom less than there are bins (Yurdakul &
Naranjo 2020, https://doi.org/10.21314/JRMV.2020.227), so a small sample must differ by more.
That takes texts for independent. Headlines come in stories, and so many of them say as much as
fewer independent ones would; the design effect, which training measures on the held-out texts,
is how many times fewer (Rao & Scott 1981, https://doi.org/10.1080/01621459.1981.10477633).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

MIN_TEXTS = 1_000  # in a window: below, no shift is told from chance
MAX_TEXTS = 10_000  # of a window: with more, what chance adds is already far below ALARM
MIN_SHARE = 0.05  # of the reference in a bin, where cells next to each other can make it up
ALARM = 0.2  # PSI; benchmarks/false_alarms.py shows how often it rings for nothing
FALSE_ALARMS = 0.001  # the share of windows without a shift in which a feature may drift

Counts = NDArray[np.float64]


class Observed(Protocol):
    """A prediction, just made or from the log."""

    @property
    def label(self) -> str:
        """The most probable label."""

    @property
    def confidence(self) -> float:
        """Its probability."""

    @property
    def tokens(self) -> int:
        """Wordpieces read."""

    @property
    def unknown_tokens(self) -> int:
        """Of them, those that the vocabulary lacks."""


@dataclass(frozen=True)
class Feature:
    """A distribution over bins, in the reference and in the window."""

    name: str
    bins: tuple[str, ...]
    reference: Counts  # shape (bins,)
    window: Counts  # shape (bins,)
    design_effect: float  # how many texts say as much as one that is independent

    @property
    def psi(self) -> float:
        """The population stability index."""
        expected, actual = shares(self.reference), shares(self.window)
        return float(((actual - expected) * np.log(actual / expected)).sum())

    @property
    def limit(self) -> float:
        """The PSI over which the feature has drifted."""
        sizes = 1 / self.reference.sum() + 1 / self.window.sum()
        chance = self.design_effect * float(sizes) * chi_square_quantile(len(self.bins) - 1)
        return max(ALARM, chance)

    @property
    def drifted(self) -> bool:
        """Whether the shift is neither small nor by chance."""
        return self.psi > self.limit


def features(reference: Mapping[str, Any], window: Sequence[Observed]) -> list[Feature]:
    """Each feature of a window beside the ``reference`` of a manifest.

    Bundles made before the design effects were measured are taken for ones of independent texts.
    """
    effects = reference.get("design_effects", {})
    texts, parts = reference["texts"], len(reference["confidence"])
    lengths = {int(length): share for length, share in reference["token_length"].items()}
    tokens = texts * sum(length * share for length, share in lengths.items())
    unknown, all_tokens = sum(p.unknown_tokens for p in window), sum(p.tokens for p in window)
    unknown_share = reference["unknown_tokens"]
    labels = reference["labels"]
    return [
        Feature(
            "label",
            tuple(labels),
            texts * np.array(list(labels.values())),
            np.array([sum(p.label == label for p in window) for label in labels], float),
            effects.get("label", 1.0),
        ),
        _of_cells(
            "confidence",
            [f"{part / parts:.2f}" for part in range(parts)],
            texts * np.array(reference["confidence"]),
            [min(int(p.confidence * parts), parts - 1) for p in window],
            effects.get("confidence", 1.0),
        ),
        _of_cells(
            "tokens",
            [str(length) for length in range(max(lengths) + 2)],
            texts * np.array([lengths.get(length, 0) for length in range(max(lengths) + 2)]),
            [min(p.tokens, max(lengths) + 1) for p in window],
            effects.get("tokens", 1.0),
        ),
        Feature(
            "unknown tokens",
            ("known", "unknown"),
            tokens * np.array([1 - unknown_share, unknown_share]),
            np.array([all_tokens - unknown, unknown], float),
            effects.get("unknown tokens", 1.0),
        ),
    ]


def design_effects(
    reference: Mapping[str, Any], clusters: Sequence[Sequence[Observed]]
) -> dict[str, float]:
    """How many times the variance of a feature's shares is that of independent texts.

    The mean over the bins, as Rao & Scott weigh them; never less than 1.

    Args:
        reference: of all texts.
        clusters: the texts in groups, such as stories, that are independent of each other.
    """
    found = {}
    for of_clusters in zip(*(features(reference, cluster) for cluster in clusters), strict=True):
        counts = np.array([feature.window for feature in of_clusters])  # (clusters, bins)
        expected = shares(counts.sum(axis=0))
        residuals = counts - counts.sum(axis=1, keepdims=True) * expected
        bins = len(expected)
        ratio = (residuals**2).sum(axis=0) / (counts.sum() * expected)
        found[of_clusters[0].name] = max(1.0, float(ratio.sum()) / (bins - 1))
    return found


def shares(counts: Counts) -> Counts:
    """The share of each bin; none is 0, as half a text more is counted in each."""
    more = counts + 0.5
    result: Counts = more / more.sum()
    return result


def chi_square_quantile(freedom: int) -> float:
    """What chi-square exceeds with the probability FALSE_ALARMS.

    By the approximation of Wilson & Hilferty (1931, https://doi.org/10.1073/pnas.17.12.684),
    which is good to 4 %; the image has no scipy.
    """
    spread = 2 / (9 * freedom)
    z = NormalDist().inv_cdf(1 - FALSE_ALARMS)
    return float(freedom * (1 - spread + z * spread**0.5) ** 3)


def _of_cells(
    name: str, lows: Sequence[str], reference: Counts, window: Sequence[int], effect: float
) -> Feature:
    """A feature of cells in their order, of which ``lows`` are the low ends."""
    starts = _merged(reference / reference.sum())
    counts = np.bincount(window, minlength=len(lows))
    ends = [*starts[1:], len(lows)]
    return Feature(
        name,
        tuple(
            f"{lows[start]} to under {lows[end]}" if end < len(lows) else f"from {lows[start]}"
            for start, end in zip(starts, ends, strict=True)
        ),
        np.add.reduceat(reference, starts),
        np.add.reduceat(counts, starts).astype(float),
        effect,
    )


def _merged(cells: Counts) -> list[int]:
    """Where bins begin, so that few of them are rare: the noise of those would drown the rest."""
    starts, gathered = [0], 0.0
    for cell, share in enumerate(cells):
        if gathered >= MIN_SHARE or (cell > starts[-1] and share >= MIN_SHARE):
            starts.append(cell)
            gathered = 0.0
        gathered += share
    return starts
