"""Which training rows each epoch has: all of them, or some of each group, drawn anew."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from training.data.examples import Example, clusters_of
from training.fit.settings import Settings

_DRAW = 1  # sets the random numbers of the draw apart from those of the order


@dataclass(frozen=True)
class EpochRows:
    """Draws the rows of an epoch; the same seed and epoch give the same rows.

    Of a few large groups, such as the headlines of one story, an epoch would learn little else.
    With at most some rows of each, every group counts about the same.
    """

    groups: NDArray[np.int64]  # whose rows are drawn together
    times: NDArray[np.intp]  # how many times an epoch has a row, if it is drawn
    most: int  # rows of a group in an epoch; 0 for all
    seed: int

    @classmethod
    def of(cls, examples: Sequence[Example], settings: Settings) -> Self:
        """Prepare to draw from rows; new ones count as groups of their own.

        So neither kind of row displaces the other.
        """
        new = np.array([example.new for example in examples])
        times = np.where(new, settings.new_rows_times, 1)
        groups = 2 * clusters_of(examples) + new if settings.balance_groups else np.zeros(len(new))
        return cls(groups.astype(np.int64), times, settings.balance_groups, settings.seed)

    @cached_property
    def count(self) -> int:
        """How many rows an epoch has, the same in each; rows that it repeats count again."""
        return len(self.draw(0))

    def count_steps(self, batch_size: int) -> int:
        """Count the batches of an epoch."""
        return math.ceil(self.count / batch_size)

    def count_run_steps(self, settings: Settings) -> int:
        """Count the batches of a run that does not stop early."""
        return max(1, round(self.count_steps(settings.batch_size) * settings.epochs))

    def draw(self, epoch: int) -> NDArray[np.intp]:
        """Return the row numbers of an epoch in the order of the rows."""
        rows = self._draw(epoch, self.most)
        return np.repeat(rows, self.times[rows])

    def draw_for_teachers(self, settings: Settings) -> NDArray[np.intp]:
        """Return the numbers of the rows that teachers answer, each once.

        These are all rows that a run can have or, with --teacher-rows, the first that each epoch
        draws of a group.
        """
        if not self.most:
            return np.arange(len(self.times))
        steps = self.count_steps(settings.batch_size)
        epochs = math.ceil(self.count_run_steps(settings) / steps)
        most = settings.teacher_rows or self.most
        return np.unique(np.concatenate([self._draw(epoch, most) for epoch in range(epochs)]))

    def _draw(self, epoch: int, most: int) -> NDArray[np.intp]:
        """Draw at most some rows of each group, or all with 0; fewer are the first of more."""
        rows = np.arange(len(self.times))
        if not most:
            return rows
        random = np.random.default_rng((self.seed, epoch, _DRAW))
        return rows[self._rank(random) < most]

    def _rank(self, random: np.random.Generator) -> NDArray[np.intp]:
        """Return the place of each row in a random order of its group, from 0."""
        order = np.lexsort((random.random(len(self.groups)), self.groups))
        ordered = self.groups[order]
        firsts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        sizes = np.diff(np.r_[firsts, len(ordered)])
        ranks = np.empty(len(ordered), np.intp)
        ranks[order] = np.arange(len(ordered)) - np.repeat(firsts, sizes)
        return ranks


def draw_first(examples: Sequence[Example], settings: Settings) -> list[Example]:
    """Return the rows of the first epoch, which may repeat new ones; heads are fitted to these."""
    return [examples[row] for row in EpochRows.of(examples, settings).draw(0)]


def draw_once(examples: Sequence[Example], settings: Settings) -> list[Example]:
    """Return the rows of the first epoch, each once, so that two equal ones make no pair."""
    return [examples[row] for row in np.unique(EpochRows.of(examples, settings).draw(0))]


def choose_validation_rows(examples: Sequence[Example], settings: Settings) -> list[Example]:
    """Return the rows to validate on: all of them or, with --balance-groups, some of each group.

    These are drawn once, so that all validations of a run compare.
    """
    if not settings.balance_groups:
        return list(examples)
    return draw_once(examples, settings)
