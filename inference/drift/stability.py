"""Measure how far a window of predictions is from the reference.

The population stability index (PSI) is the sum over bins of (w - r) ln(w / r), for the shares w
in the window and r in the reference (Siddiqi, Credit Risk Scorecards, 2006). By his rule of
thumb 0.1 is a small shift, and 0.25 a large one. Without any shift, PSI / (1/n + 1/m) of samples
of n and m texts is about chi-square distributed, with one degree of freedom less than there are
bins (Yurdakul & Naranjo 2020, https://doi.org/10.21314/JRMV.2020.227), so a small sample must
differ by more.

That holds for independent texts. Headlines come in stories, and carry as much information as
fewer independent texts would. The design effect says how many times fewer; training measures it
on the held-out texts (Rao & Scott 1981, https://doi.org/10.1080/01621459.1981.10477633).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.drift.reference import Reference
from inference.prediction_log.table import LoggedPrediction

if TYPE_CHECKING:  # it imports onnxruntime, which the Lambda function does not need
    from inference.model.classifier import Prediction

LABEL = "label"  # a feature; where a text may have several, there is one for each label
OF_LABEL = f"{LABEL}: "
MIN_SHARE = 0.05  # of the reference in a bin, if merging neighbouring cells can reach it
ALARM = 0.2  # PSI; benchmarks/false_alarms.py measures how often it is a false alarm
FALSE_ALARMS = 0.001  # the share of windows without a shift in which a feature may drift

Counts = NDArray[np.float64]
Observed: TypeAlias = "Prediction | LoggedPrediction"


@dataclass(frozen=True)
class Feature:
    """A distribution over bins, in the reference and in the window."""

    name: str
    bins: tuple[str, ...]
    reference: Counts  # shape (bins,)
    window: Counts  # shape (bins,)
    design_effect: float  # how many texts carry as much information as one independent text

    @property
    def is_of_one_label(self) -> bool:
        """Whether it is the share of one of several labels."""
        return self.name.startswith(OF_LABEL)

    @property
    def psi(self) -> float:
        """The population stability index."""
        expected, actual = smoothed_shares(self.reference), smoothed_shares(self.window)
        return float(((actual - expected) * np.log(actual / expected)).sum())

    @property
    def limit(self) -> float:
        """The PSI above which the feature has drifted."""
        sizes = float(1 / self.reference.sum() + 1 / self.window.sum())
        by_chance = self.design_effect * sizes * chi_square_quantile(len(self.bins) - 1)
        return max(ALARM, by_chance)

    @property
    def drifted(self) -> bool:
        """Whether the shift is neither small nor due to chance."""
        return self.psi > self.limit


def measure_features(reference: Reference, window: Sequence[Observed]) -> list[Feature]:
    """Count each feature of a window, in the same bins as the reference.

    Outcomes are left out if the model has no thresholds, or the window does not know them because
    the index of its table does not hold them.
    """
    features = [
        *(_each_label(reference, window) if reference.several else [_label(reference, window)]),
        _confidence(reference, window),
        _tokens(reference, window),
        _unknown_tokens(reference, window),
    ]
    if reference.outcomes is not None and all(each.outcome is not None for each in window):
        features.append(_outcome(reference, reference.outcomes, window))
    return features


def smoothed_shares(counts: Counts) -> Counts:
    """Return the share of each bin, with half a text added to each so that none is 0."""
    smoothed = counts + 0.5
    shares: Counts = smoothed / smoothed.sum()
    return shares


def chi_square_quantile(degrees_of_freedom: int) -> float:
    """Return the value that chi-square exceeds with the probability FALSE_ALARMS.

    Uses the approximation of Wilson & Hilferty (1931, https://doi.org/10.1073/pnas.17.12.684),
    which is accurate to 4 %, because the image has no scipy.
    """
    spread = 2 / (9 * degrees_of_freedom)
    z = NormalDist().inv_cdf(1 - FALSE_ALARMS)
    return float(degrees_of_freedom * (1 - spread + z * spread**0.5) ** 3)


def _label(reference: Reference, window: Sequence[Observed]) -> Feature:
    labels = tuple(reference.labels)
    return Feature(
        LABEL,
        labels,
        reference.texts * np.array(list(reference.labels.values())),
        np.array([sum(p.label == label for p in window) for label in labels], float),
        reference.design_effects.get("label", 1.0),
    )


def _each_label(reference: Reference, window: Sequence[Observed]) -> list[Feature]:
    """Count how many texts have each label, where a text may have several, or none."""
    features = []
    for label, share in reference.labels.items():
        name = f"{OF_LABEL}{label}"
        count = sum(label in each.all_labels for each in window)
        features.append(
            Feature(
                name,
                ("with", "without"),
                reference.texts * np.array([share, 1 - share]),
                np.array([count, len(window) - count], float),
                reference.design_effects.get(name, 1.0),
            )
        )
    return features


def _confidence(reference: Reference, window: Sequence[Observed]) -> Feature:
    parts = len(reference.confidence)
    return _merge_cells(
        "confidence",
        [f"{part / parts:.2f}" for part in range(parts)],
        reference.texts * np.array(reference.confidence),
        [min(int(p.confidence * parts), parts - 1) for p in window],
        reference.design_effects.get("confidence", 1.0),
    )


def _tokens(reference: Reference, window: Sequence[Observed]) -> Feature:
    longer = max(reference.token_length) + 1  # the cell of all longer texts
    shares = [reference.token_length.get(length, 0.0) for length in range(longer + 1)]
    return _merge_cells(
        "tokens",
        [str(length) for length in range(longer + 1)],
        reference.texts * np.array(shares),
        [min(p.tokens, longer) for p in window],
        reference.design_effects.get("tokens", 1.0),
    )


def _unknown_tokens(reference: Reference, window: Sequence[Observed]) -> Feature:
    tokens_per_text = sum(length * share for length, share in reference.token_length.items())
    tokens, unknown = sum(p.tokens for p in window), sum(p.unknown_tokens for p in window)
    share = reference.unknown_tokens
    return Feature(
        "unknown tokens",
        ("known", "unknown"),
        reference.texts * tokens_per_text * np.array([1 - share, share]),
        np.array([tokens - unknown, unknown], float),
        reference.design_effects.get("unknown tokens", 1.0),
    )


def _outcome(reference: Reference, shares: dict[str, float], window: Sequence[Observed]) -> Feature:
    outcomes = tuple(shares)
    return Feature(
        "outcome",
        outcomes,
        reference.texts * np.array(list(shares.values())),
        np.array([sum(each.outcome == outcome for each in window) for outcome in outcomes], float),
        reference.design_effects.get("outcome", 1.0),
    )


def _merge_cells(
    name: str,
    lows: Sequence[str],
    reference: Counts,
    window: Sequence[int],
    design_effect: float,
) -> Feature:
    """Make a feature of ordered cells, merged into bins that are not rare.

    Args:
        name: Of the feature.
        lows: The lower end of each cell.
        reference: Texts in each cell, shape (cells,).
        window: The cell of each text.
        design_effect: Of the feature.
    """
    starts = _bin_starts(reference / reference.sum())
    counts = np.bincount(window, minlength=len(lows))
    names = [f"{lows[start]} to under {lows[end]}" for start, end in pairwise(starts)]
    return Feature(
        name,
        (*names, f"from {lows[starts[-1]]}"),
        np.add.reduceat(reference, starts),
        np.add.reduceat(counts, starts).astype(float),
        design_effect,
    )


def _bin_starts(cells: Counts) -> list[int]:
    """Choose the cells at which bins begin: the noise of rare bins would hide all others."""
    starts, gathered = [0], 0.0
    for cell, share in enumerate(cells):
        if gathered >= MIN_SHARE or (cell > starts[-1] and share >= MIN_SHARE):
            starts.append(cell)
            gathered = 0.0
        gathered += share
    return starts
