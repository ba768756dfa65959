"""The training rows as the model reads them, in batches without end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from training.data.examples import Example, clusters_of, has_answer
from training.fit import text_model
from training.fit.batches import mask_words, pad, shuffle
from training.fit.distillation import Targets
from training.fit.epoch_rows import EpochRows
from training.fit.objective import NO_GROUP, Batch
from training.fit.settings import Settings
from training.fit.windows import TextWindows, encode_windows


@dataclass(frozen=True)
class TrainingTexts:
    """Encoded rows, and what to learn from them."""

    windows: TextWindows
    targets: Targets
    groups: NDArray[np.int64]
    epochs: EpochRows
    mask_id: int | None  # None if the tokenizer has no mask token
    unknown: float  # share of the wordpieces that the vocabulary lacks
    cut: float  # share of the texts that are longer than what is read
    most_windows: int = 1  # of a text in a step

    @classmethod
    def encode(
        cls,
        examples: Sequence[Example],
        targets: Targets,
        tokenizer: Tokenizer,
        epochs: EpochRows,
        settings: Settings,
    ) -> Self:
        """Encode the rows."""
        windows = encode_windows(tokenizer, [example.text for example in examples], settings)
        token_ids = windows.token_ids
        unknown = text_model.find_unknown_token(tokenizer)
        is_labelled = [has_answer(example) for example in examples]
        return cls(
            windows=windows,
            targets=targets,
            groups=np.where(is_labelled, clusters_of(examples), NO_GROUP),
            epochs=epochs,
            mask_id=text_model.find_mask_id(tokenizer),
            unknown=measure_unknown(token_ids, tokenizer.token_to_id(unknown) if unknown else None),
            cut=windows.cut / len(examples),
            most_windows=settings.windows_in_step,
        )

    def count_groups(self) -> int:
        """Count the groups."""
        return int(self.groups.max()) + 1

    def batches_from(self, step: int, batch_size: int, seed: int) -> Iterator[NDArray[np.intp]]:
        """Yield batches of row numbers without end, from a step of the run on."""
        epoch, skipped = divmod(step, self.epochs.count_steps(batch_size))
        while True:
            rows = self.epochs.draw(epoch)
            lengths = self.windows.lengths[rows].tolist()
            for batch in shuffle(lengths, batch_size, seed, epoch)[skipped:]:
                yield rows[batch]
            epoch, skipped = epoch + 1, 0

    def make_batch(
        self, rows: NDArray[np.intp], pad_id: int, masking: float = 0, step: int = 0
    ) -> Batch:
        """Return the texts of some rows, a share of their wordpieces masked, and their targets.

        The step decides which windows are drawn of texts that have more than it may have.
        """
        seed = (self.epochs.seed, step)
        drawn = [self.windows.draw(int(row), self.most_windows, seed) for row in rows]
        inputs, mask = pad([window for windows in drawn for window in windows], pad_id)
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
            find_texts(drawn) if len(inputs) > len(rows) else None,
        )


def measure_unknown(token_ids: Sequence[Sequence[int]], unknown_id: int | None) -> float:
    """Return the share of wordpieces, without [CLS] and [SEP], that the vocabulary lacks."""
    wordpieces = sum(len(ids) - 2 for ids in token_ids)
    unknown = sum(list(ids).count(unknown_id) for ids in token_ids if unknown_id is not None)
    return unknown / max(wordpieces, 1)


def find_texts(drawn: Sequence[Sequence[object]]) -> Tensor:
    """Return the place of each window's text in the batch, (windows,)."""
    return torch.repeat_interleave(torch.tensor([len(windows) for windows in drawn]))
