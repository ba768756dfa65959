"""Choose the least confidence of each label with which it reaches a precision.

The validation rows that got a label are ordered by confidence, and a few thresholds are tried. The
lowest one at which the lower confidence bound of the precision is what was asked for, or more, is
chosen. The bound is that of Clopper & Pearson (1934), at a confidence of 95 % over all thresholds
that are tried for the label (Bonferroni), so choosing among them does not weaken it. Rows of a
group, such as the headlines of a story, are right or wrong together: the bound for a thousand such
rows is that for the number of independent rows that would tell as much (Kish 1965; Rao & Scott
1992, https://doi.org/10.2307/2532311). Where a label has only some dozens of groups, each of them
wholly right or wrong, that number is a rough estimate, and the bound may be too high.

So, for texts like the validation rows, the precision of a label above its threshold is at least
what was asked for, with 95 % confidence. It says nothing about texts of another kind.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from inference.errors import TextClassifierError
from inference.model.abstention import LabelThresholds
from training.labels.names import name_some
from training.metrics import Labels, Probabilities

CONFIDENCE = 0.95
MOST_TRIALS = 20  # thresholds for one label


class ThresholdError(TextClassifierError):
    """No label reaches the precision; the message says what the rows prove."""


@dataclass(frozen=True)
class Choice:
    """The threshold of one label, and what the validation rows say of it."""

    label: str
    least: float | None  # None if no threshold reaches the precision
    rows: int  # validation rows that got the label
    covered: int  # of these, with at least this confidence
    proved: float  # the lower bound of the precision; the greatest of all trials if none reaches it


def choose_thresholds(
    probabilities: Probabilities,
    labels: Labels,
    clusters: NDArray[np.int64],
    names: Sequence[str],
    precision: float,
) -> list[Choice]:
    """Choose the threshold of each label.

    Args:
        probabilities: of the validation rows, shape (rows, labels).
        labels: the true ones.
        clusters: the cluster of each row.
        names: the names of the labels.
        precision: what each label should reach.

    Raises:
        ThresholdError: no label reaches the precision.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = predicted == labels
    choices = []
    for number, name in enumerate(names):
        of_label = predicted == number
        choices.append(
            _choose(name, confidence[of_label], right[of_label], clusters[of_label], precision)
        )
    if all(choice.least is None for choice in choices):
        best = max(choices, key=lambda choice: choice.proved)
        raise ThresholdError(
            f"--precision {precision:g}: no label reaches it. The {len(labels):,} validation rows "
            f"prove {best.proved:.3f} for {name_some([best.label])}, the best one: give a lower "
            "precision, or train on more rows"
        )
    return choices


def _choose(
    name: str,
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    clusters: NDArray[np.int64],
    precision: float,
) -> Choice:
    rows = len(confidence)
    # A trial for as many rows as prove the precision if all are right: 59 for 0.95, 14 for 0.8.
    needed = math.ceil(math.log(1 - CONFIDENCE) / math.log(precision))
    trials = min(MOST_TRIALS, max(1, rows // needed))
    error = (1 - CONFIDENCE) / trials
    best = 0.0
    for share in np.arange(trials, 0, -1) / trials:  # the lowest threshold first
        if not rows:
            break
        # Every row that got the label passes a threshold of 0, and so will less certain ones.
        least = 0.0 if share == 1 else float(np.quantile(confidence, 1 - share, method="higher"))
        covered = confidence >= least
        proved = bound_share(right[covered], clusters[covered], error)
        if proved >= precision:
            return Choice(name, least, rows, int(covered.sum()), proved)
        best = max(best, proved)
    return Choice(name, None, rows, 0, best)


def bound_share(right: NDArray[np.bool_], clusters: NDArray[np.int64], error: float) -> float:
    """Return a value that the share of right texts exceeds, but for this probability of error."""
    share, size = float(right.mean()), count_independent(right, clusters)
    if share == 0:
        return 0.0
    return float(beta.ppf(error, share * size, (1 - share) * size + 1))


def count_independent(right: NDArray[np.bool_], clusters: NDArray[np.int64]) -> float:
    """Count the independent texts that tell as much of a share as these texts in clusters.

    Clusters without any variation tell as much as independent ones of equal weight.
    """
    _, places, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    rows = float(len(right))
    residuals = np.bincount(places, right - right.mean())
    variance = rows * float(right.mean()) * (1 - float(right.mean()))
    if variance == 0:
        return rows**2 / float((sizes.astype(float) ** 2).sum())
    return rows / max(1.0, float((residuals**2).sum()) / variance)


def to_manifest(choices: Sequence[Choice], precision: float) -> LabelThresholds:
    """Return the thresholds as the manifest holds them."""
    return LabelThresholds(
        precision=precision,
        confidence=CONFIDENCE,
        least={choice.label: choice.least for choice in choices},
    )


def describe_unreached(choices: Sequence[Choice], precision: float) -> str:
    """Name the labels that always abstain, and what they reach; empty if there are none."""
    unreached = [choice for choice in choices if choice.least is None]
    if not unreached:
        return ""
    best = max(unreached, key=lambda choice: choice.proved)
    of_it = f" ({best.label}: {best.proved:.3f} on {best.rows:,} rows)" if best.rows else ""
    return (
        f"The validation rows prove a precision of {precision:g} at no confidence for "
        f"{name_some([choice.label for choice in unreached])}{of_it}, so answers with "
        f"{'this label' if len(unreached) == 1 else 'these labels'} always abstain."
    )
