"""What repeated measurements say: medians, spreads, and whether two candidates differ.

The rounds of a run are pairs: in each, the candidates take turns within seconds. So ratios are made
within a round, where a slow minute of the machine slows both sides, and then summarized.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.98


@dataclass(frozen=True)
class Summary:
    """The median of some measurements, and the least and the greatest."""

    median: float
    low: float
    high: float
    count: int

    @property
    def spread(self) -> float:
        """How far apart the extremes are, as a share of the median."""
        return (self.high - self.low) / self.median


def summarize(values: Sequence[float]) -> Summary:
    """Return the median and the extremes."""
    return Summary(statistics.median(values), min(values), max(values), len(values))


def divide(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Return the ratio of each round."""
    return [a / b for a, b in zip(over, under, strict=True)]


@dataclass(frozen=True)
class Change:
    """How much longer something takes now than before, as a share: 0.1 for 10 % longer."""

    median: float
    low: float
    high: float
    certain: bool  # whether there were enough rounds to tell a change from noise

    @property
    def verdict(self) -> str:
        """``slower`` or ``faster``, if noise is unlikely to explain it."""
        if not self.certain:
            return "too few rounds to tell"
        if self.low > 0:
            return "SLOWER"
        return "faster" if self.high < 0 else "no difference beyond the noise"


def compare(now: Sequence[float], before: Sequence[float]) -> Change:
    """Compare two candidates, round by round.

    ``low`` and ``high`` enclose the true median change with at least 98 % confidence, whatever the
    noise is like: they are order statistics of the rounds' changes, as in the sign test. If there
    are fewer than 7 rounds, even the extremes are less sure than that.
    """
    changes = sorted(ratio - 1 for ratio in divide(now, before))
    rank = find_rank(len(changes))
    edge = rank or 0
    return Change(
        statistics.median(changes), changes[edge], changes[-1 - edge], certain=rank is not None
    )


def find_rank(count: int) -> int | None:
    """Return how many of the extremes on each side can be left out; None if none is too many.

    The true median lies between the r-th smallest and the r-th greatest of n values unless fewer
    than r of them fall on one of its sides: twice a binomial tail.
    """
    rank = None
    for left_out in range((count + 1) // 2):
        tail = sum(math.comb(count, below) for below in range(left_out + 1)) / 2**count
        if 2 * tail > 1 - CONFIDENCE:
            break
        rank = left_out
    return rank
