"""The training rows as the model reads them, in batches without end."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training.data.examples import Example, clusters_of
from training.fit import distilbert
from training.fit.batches import shuffle


@dataclass(frozen=True)
class TrainingTexts:
    """Encoded rows, and what to learn from them."""

    token_ids: list[list[int]]
    targets: NDArray[np.float32]  # (rows, labels)
    groups: NDArray[np.int64]
    order: NDArray[np.intp]  # the row numbers of an epoch; new rows may repeat
    mask_id: int

    @classmethod
    def encode(
        cls,
        examples: Sequence[Example],
        targets: NDArray[np.float32],
        tokenizer: Tokenizer,
        new_rows_times: int,
    ) -> Self:
        """Encode the rows; each new one is seen ``new_rows_times`` times an epoch."""
        times = [new_rows_times if example.new else 1 for example in examples]
        return cls(
            token_ids=distilbert.encode(tokenizer, [example.text for example in examples]),
            targets=targets,
            groups=clusters_of(examples),
            order=np.repeat(np.arange(len(examples)), times),
            mask_id=tokenizer.token_to_id("[MASK]"),
        )

    def count_groups(self) -> int:
        """Count the groups."""
        return int(self.groups.max()) + 1

    def count_steps(self, batch_size: int) -> int:
        """Count the batches of an epoch."""
        return math.ceil(len(self.order) / batch_size)

    def batches_from(self, step: int, batch_size: int, seed: int) -> Iterator[NDArray[np.intp]]:
        """Yield batches of row numbers without end, from a step of the run on."""
        lengths = [len(self.token_ids[row]) for row in self.order]
        epoch, skipped = divmod(step, self.count_steps(batch_size))
        while True:
            for batch in shuffle(lengths, batch_size, seed, epoch)[skipped:]:
                yield self.order[batch]
            epoch, skipped = epoch + 1, 0
