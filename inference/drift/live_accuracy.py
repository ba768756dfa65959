"""Measure how often clients agree with the labels, from their feedback.

This is not the accuracy of the model: people correct what is wrong, and rarely confirm what is
right. It becomes an estimate of the accuracy if feedback is asked for on a random sample of texts.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import sqrt

from inference.prediction_log.feedback import Feedback, Labels, read_feedback
from inference.prediction_log.sample import create_client

Z = 1.959964  # of the normal distribution, for 95 %
MAX_FEEDBACK = 100_000  # read from a window


def wilson_interval(share: float, texts: float, z: float) -> tuple[float, float]:
    """Return Wilson's interval of a share of independent texts, at this normal quantile.

    It also holds for few texts and for shares close to 0 or 1 (Wilson 1927,
    https://doi.org/10.1080/01621459.1927.10502953).
    """
    middle = (share + z * z / (2 * texts)) / (1 + z * z / texts)
    half = z / (1 + z * z / texts) * sqrt(share * (1 - share) / texts + (z / (2 * texts)) ** 2)
    return middle - half, middle + half


@dataclass(frozen=True)
class Agreement:
    """How often clients agreed with a label, or with all."""

    label: str  # what was predicted; empty for all labels together
    feedback: int
    agreed: int

    @property
    def share(self) -> float:
        """The share of the feedback that agrees."""
        return self.agreed / self.feedback

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share."""
        low, high = wilson_interval(self.share, self.feedback, Z)
        return max(0.0, low), min(1.0, high)


@dataclass(frozen=True)
class Correction:
    """A label that clients replaced by another one."""

    predicted: str
    label: str
    times: int


@dataclass(frozen=True)
class LiveAccuracy:
    """What clients said about the predictions of a model."""

    total: Agreement
    by_label: tuple[Agreement, ...]  # the most frequent first
    corrections: tuple[Correction, ...]  # the most frequent first


def measure_live_accuracy(version: str, table: str, hours: int) -> LiveAccuracy | None:
    """Measure the agreement with a model in the feedback of the last hours; None without any.

    Args:
        version: Of the model.
        table: The prediction log.
        hours: How far to look back.

    Raises:
        MissingIndexError: The table is older than feedback.
    """
    now = datetime.now(UTC)
    window = read_feedback(create_client(), table, now - timedelta(hours=hours), now, version)
    return summarize(islice(window, MAX_FEEDBACK))


def summarize(window: Iterable[Feedback]) -> LiveAccuracy | None:
    """Count the agreement in feedback; None if there is none."""
    given, agreed = Counter[str](), Counter[str]()
    corrections = Counter[tuple[str, str]]()
    for feedback in window:
        predicted = show_labels(feedback.predicted)
        given[predicted] += 1
        if feedback.agrees:
            agreed[predicted] += 1
        else:
            corrections[predicted, show_labels(feedback.label)] += 1
    if not given:
        return None
    return LiveAccuracy(
        Agreement("", given.total(), agreed.total()),
        tuple(Agreement(label, count, agreed[label]) for label, count in given.most_common()),
        tuple(Correction(*pair, times) for pair, times in corrections.most_common()),
    )


def show_labels(labels: Labels) -> str:
    """Write one or several labels; a text may have none."""
    return labels if isinstance(labels, str) else " + ".join(sorted(labels)) or "(none)"
