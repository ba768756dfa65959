"""Estimate how the answers of two models differ, from samples of what they answered.

Lambda picks one of the two models at random for each request, so requests are independent, but the
texts of one request are not. Variances are therefore those of a ratio estimator over requests
(Cochran, Sampling Techniques, 1977, section 6.3). The interval of a difference of shares is
Newcombe's (1998, method 10,
https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C873::AID-SIM779%3E3.0.CO;2-I), for the
number of independent texts that would be just as informative.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inference.drift.live_accuracy import wilson_interval
from inference.model.abstention import ANSWERED
from inference.prediction_log.table import LoggedPrediction

POWER = 0.8


@dataclass(frozen=True)
class Mean:
    """The mean of one value per text, and the variance of that mean."""

    value: float
    variance: float
    requests: int

    @classmethod
    def estimate(cls, values: Sequence[float], requests: NDArray[np.int64]) -> Self:
        """Estimate the mean over texts.

        Args:
            values: One per text.
            requests: The number of the request that each text came in, from 0; shape (texts,).
        """
        totals, sizes = np.bincount(requests, values), np.bincount(requests)
        value = float(totals.sum() / sizes.sum())
        residuals = totals - value * sizes
        count = len(sizes)
        variance = float((residuals**2).sum() / sizes.sum() ** 2 * count / (count - 1))
        return cls(value, variance, count)

    def wilson_interval(self, z: float) -> tuple[float, float]:
        """Return Wilson's interval of a share, for an equally informative number of texts."""
        share = self.value
        # A share of 0 or 1 has no variance; its requests count instead.
        size = share * (1 - share) / self.variance if self.variance else self.requests
        return wilson_interval(share, size, z)


@dataclass(frozen=True)
class Difference:
    """The candidate's mean minus the deployed model's."""

    name: str
    deployed: Mean
    candidate: Mean
    is_share: bool = True

    @property
    def value(self) -> float:
        """The estimate."""
        return self.candidate.value - self.deployed.value

    def interval(self, level: float) -> tuple[float, float]:
        """Return the confidence interval: Newcombe's for shares, Wald's for other means."""
        z = z_score(level)
        if not self.is_share:
            half = z * self._standard_error
            return self.value - half, self.value + half
        low, high = self.deployed.wilson_interval(z)
        candidate_low, candidate_high = self.candidate.wilson_interval(z)
        below = sqrt(
            (self.candidate.value - candidate_low) ** 2 + (high - self.deployed.value) ** 2
        )
        above = sqrt(
            (candidate_high - self.candidate.value) ** 2 + (self.deployed.value - low) ** 2
        )
        return self.value - below, self.value + above

    def is_significant(self, level: float) -> bool:
        """Whether the interval excludes 0."""
        low, high = self.interval(level)
        return low > 0 or high < 0

    def detectable(self, level: float) -> float:
        """Return the smallest true difference that these samples reveal with probability POWER."""
        return (z_score(level) + NormalDist().inv_cdf(POWER)) * self._standard_error

    @property
    def _standard_error(self) -> float:
        return sqrt(self.deployed.variance + self.candidate.variance)


def estimate_differences(
    deployed: Sequence[LoggedPrediction], candidate: Sequence[LoggedPrediction]
) -> list[Difference]:
    """Estimate the differences in the share of each label, the mean confidence and abstentions."""
    requests, candidate_requests = number_requests(deployed), number_requests(candidate)
    differences = [
        Difference(
            label,
            Mean.estimate([float(label in text.all_labels) for text in deployed], requests),
            Mean.estimate(
                [float(label in text.all_labels) for text in candidate], candidate_requests
            ),
        )
        for label in sorted({each for text in (*deployed, *candidate) for each in text.all_labels})
    ]
    confidence = Difference(
        "(mean confidence)",
        Mean.estimate([text.confidence for text in deployed], requests),
        Mean.estimate([text.confidence for text in candidate], candidate_requests),
        is_share=False,
    )
    return [*differences, confidence, *_estimate_abstentions(deployed, candidate)]


def _estimate_abstentions(
    deployed: Sequence[LoggedPrediction], candidate: Sequence[LoggedPrediction]
) -> list[Difference]:
    """Estimate the difference in the share of texts abstained from, if both models may abstain."""
    if any(text.outcome is None for text in (*deployed, *candidate)):
        return []
    before, after = (
        Mean.estimate([float(each.outcome != ANSWERED) for each in texts], number_requests(texts))
        for texts in (deployed, candidate)
    )
    return [Difference("(abstained)", before, after)]


def number_requests(texts: Sequence[LoggedPrediction]) -> NDArray[np.int64]:
    """Return the number of each text's request, counted from 0, shape (texts,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(text.request_id, len(numbers)) for text in texts])


def z_score(level: float) -> float:
    """Return how many standard deviations around the mean hold this share of a normal."""
    return NormalDist().inv_cdf((1 + level) / 2)
