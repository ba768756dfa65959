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

CHUNK = 1000  # texts whose encodings are in memory at once


@dataclass(frozen=True)
class TrainingTexts:
    """Encoded rows, and what to learn from them."""

    token_ids: list[list[int]]
    targets: NDArray[np.float32]  # (rows, labels)
    groups: NDArray[np.int64]
    order: NDArray[np.intp]  # the row numbers of an epoch; new rows may repeat
    mask_id: int
    unknown: float  # share of the wordpieces that the vocabulary lacks
    cut: float  # share of the texts that are longer than what is read

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
        texts = [example.text for example in examples]
        token_ids = distilbert.encode(tokenizer, texts)
        return cls(
            token_ids=token_ids,
            targets=targets,
            groups=clusters_of(examples),
            order=np.repeat(np.arange(len(examples)), times),
            mask_id=tokenizer.token_to_id("[MASK]"),
            unknown=measure_unknown(token_ids, tokenizer.token_to_id("[UNK]")),
            cut=measure_cut(texts, token_ids, tokenizer),
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


def measure_unknown(token_ids: Sequence[Sequence[int]], unknown_id: int) -> float:
    """Return the share of wordpieces, without [CLS] and [SEP], that the vocabulary lacks."""
    wordpieces = sum(len(ids) - 2 for ids in token_ids)
    unknown = sum(list(ids).count(unknown_id) for ids in token_ids)
    return unknown / max(wordpieces, 1)


def measure_cut(
    texts: Sequence[str], token_ids: Sequence[Sequence[int]], tokenizer: Tokenizer
) -> float:
    """Return the share of texts that have more wordpieces than the tokenizer's limit."""
    limit = tokenizer.truncation["max_length"]
    full = [text for text, ids in zip(texts, token_ids, strict=True) if len(ids) == limit]
    cut = sum(
        bool(encoding.overflowing)
        for start in range(0, len(full), CHUNK)
        for encoding in tokenizer.encode_batch(full[start : start + CHUNK])
    )
    return cut / len(texts)
