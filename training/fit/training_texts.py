"""The training rows as the model reads them, in batches without end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training.data.examples import Example, clusters_of, has_answer
from training.fit import text_model
from training.fit.batches import mask_words, pad, shuffle
from training.fit.distillation import Targets
from training.fit.epoch_rows import EpochRows
from training.fit.objective import NO_GROUP, Batch

CHUNK = 1000  # texts whose encodings are in memory at once


@dataclass(frozen=True)
class TrainingTexts:
    """Encoded rows, and what to learn from them."""

    token_ids: list[list[int]]
    targets: Targets
    groups: NDArray[np.int64]
    epochs: EpochRows
    mask_id: int | None  # None if the tokenizer has no mask token
    unknown: float  # share of the wordpieces that the vocabulary lacks
    cut: float  # share of the texts that are longer than what is read

    @classmethod
    def encode(
        cls,
        examples: Sequence[Example],
        targets: Targets,
        tokenizer: Tokenizer,
        epochs: EpochRows,
    ) -> Self:
        """Encode the rows."""
        texts = [example.text for example in examples]
        token_ids = text_model.encode(tokenizer, texts)
        unknown = text_model.find_unknown_token(tokenizer)
        is_labelled = [has_answer(example) for example in examples]
        return cls(
            token_ids=token_ids,
            targets=targets,
            groups=np.where(is_labelled, clusters_of(examples), NO_GROUP),
            epochs=epochs,
            mask_id=text_model.find_mask_id(tokenizer),
            unknown=measure_unknown(token_ids, tokenizer.token_to_id(unknown) if unknown else None),
            cut=measure_cut(texts, token_ids, tokenizer),
        )

    def count_groups(self) -> int:
        """Count the groups."""
        return int(self.groups.max()) + 1

    def batches_from(self, step: int, batch_size: int, seed: int) -> Iterator[NDArray[np.intp]]:
        """Yield batches of row numbers without end, from a step of the run on."""
        epoch, skipped = divmod(step, self.epochs.count_steps(batch_size))
        while True:
            rows = self.epochs.draw(epoch)
            lengths = [len(self.token_ids[row]) for row in rows]
            for batch in shuffle(lengths, batch_size, seed, epoch)[skipped:]:
                yield rows[batch]
            epoch, skipped = epoch + 1, 0

    def make_batch(self, rows: NDArray[np.intp], pad_id: int, masking: float = 0) -> Batch:
        """Return the texts of some rows, a share of their wordpieces masked, and their targets."""
        inputs, mask = pad([self.token_ids[row] for row in rows], pad_id)
        if masking and self.mask_id is not None:
            inputs = mask_words(inputs, mask, self.mask_id, masking)
        targets = self.targets
        return Batch(
            inputs,
            mask,
            torch.from_numpy(targets.labels[rows]),
            torch.from_numpy(self.groups[rows]),
            None if targets.softened is None else torch.from_numpy(targets.softened[rows]),
            None if targets.states is None else torch.from_numpy(targets.states[rows]),
        )


def measure_unknown(token_ids: Sequence[Sequence[int]], unknown_id: int | None) -> float:
    """Return the share of wordpieces, without [CLS] and [SEP], that the vocabulary lacks."""
    wordpieces = sum(len(ids) - 2 for ids in token_ids)
    unknown = sum(list(ids).count(unknown_id) for ids in token_ids if unknown_id is not None)
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
