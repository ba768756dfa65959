"""Texts as the model reads them in training: one or several windows each, pooled afterwards."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from inference.model.pooling import pool
from inference.model.windows import MAX, MEAN, Windows
from training import metrics, multi_label
from training.data.examples import Example, labels_of, multi_hot
from training.fit.settings import Settings

CHUNK = 1000  # texts whose encodings are in memory at once
SHARPNESSES = (MEAN, 0.25, 0.5, 1.0, 2.0, 4.0, MAX)  # that are tried
LEAST_ROWS = 100  # that tell one sharpness from another
ONE_WINDOW = Windows.make(1, 0)  # what is read of a text that is cut
OVERLAP = 4  # the overlap of two windows is this part of what one holds of a text


def set_overlap(tokenizer: Tokenizer, settings: Settings) -> None:
    """Make a tokenizer that cuts texts yield overlapping windows, if the settings say so."""
    if settings.long_texts == "windows":
        limits = tokenizer.truncation
        size = limits["max_length"] - tokenizer.num_special_tokens_to_add(False)
        tokenizer.enable_truncation(
            limits["max_length"], stride=size // OVERLAP, direction=limits["direction"]
        )


def encode_windows(tokenizer: Tokenizer, texts: Sequence[str], settings: Settings) -> "TextWindows":
    """Encode texts as the settings say: cut to one window, or as several."""
    return TextWindows.encode(tokenizer, texts, count_windows(settings))


def count_windows(settings: Settings) -> int:
    """Return how many windows of a text are read."""
    return settings.max_windows if settings.long_texts == "windows" else 1


def describe_windows(tokenizer: Tokenizer, settings: Settings, sharpness: float) -> Windows | None:
    """Describe how texts are read; None if they are cut."""
    if settings.long_texts == "cut":
        return None
    return Windows.make(settings.max_windows, tokenizer.truncation["stride"], sharpness)


@dataclass(frozen=True)
class TextWindows:
    """The token ids of texts, a row for each window."""

    token_ids: list[list[int]]  # text by text
    counts: NDArray[np.intp]  # windows of each text, (texts,)
    most: int  # windows of a text that are read
    cut: int  # texts that have more windows

    @classmethod
    def encode(cls, tokenizer: Tokenizer, texts: Sequence[str], most: int) -> Self:
        """Encode texts, each as at most so many windows.

        They are the first ones, or the last ones if the tokenizer cuts the beginning.
        """
        tokenizer.no_padding()
        token_ids, counts, cut = [], [], 0
        for start in range(0, len(texts), CHUNK):
            for encoding in tokenizer.encode_batch_fast(list(texts[start : start + CHUNK])):
                others = encoding.overflowing  # a copy
                token_ids += [encoding.ids, *(other.ids for other in others[: most - 1])]
                counts.append(1 + min(len(others), most - 1))
                cut += len(others) >= most
        return cls(token_ids, np.array(counts, np.intp), most, cut)

    @property
    def has_several(self) -> bool:
        """Whether a text has more than one window."""
        return len(self.token_ids) > len(self.counts)

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """The first window of each text, (texts,)."""
        starts: NDArray[np.intp] = np.cumsum(self.counts) - self.counts
        return starts

    @cached_property
    def lengths(self) -> NDArray[np.intp]:
        """The tokens of all windows of each text, (texts,)."""
        lengths = np.array([len(ids) for ids in self.token_ids], np.intp)
        found: NDArray[np.intp] = np.add.reduceat(lengths, self.starts)
        return found

    def select(self, rows: NDArray[np.intp]) -> Self:
        """Return the windows of some of the texts."""
        ends = self.starts + self.counts
        token_ids = [ids for row in rows for ids in self.token_ids[self.starts[row] : ends[row]]]
        return replace(self, token_ids=token_ids, counts=self.counts[rows])

    def draw(self, row: int, most: int, seed: Sequence[int]) -> list[list[int]]:
        """Return the windows of a text, or as many random ones, in their order."""
        start, count = int(self.starts[row]), int(self.counts[row])
        if count <= most:
            return self.token_ids[start : start + count]
        random = np.random.default_rng((*seed, row))
        drawn = np.sort(random.choice(count, most, replace=False))
        return [self.token_ids[start + number] for number in drawn]

    def pool(self, logits: NDArray[np.floating], sharpness: float) -> NDArray[np.float32]:
        """Pool the logits of all windows into those of the texts, shape (texts, labels)."""
        if not self.has_several:
            return logits.astype(np.float32, copy=False)
        return pool(logits, self.starts, sharpness).astype(np.float32)


def choose_sharpness(
    windows: TextWindows, logits: NDArray[np.float32], examples: Sequence[Example]
) -> float:
    """Choose how to pool: the sharpness with the least log loss on these rows.

    Few rows cannot tell, so with these it is the mean.

    Args:
        windows: of the rows.
        logits: of all windows, shape (windows, labels).
        examples: the rows.
    """
    if not windows.has_several or len(examples) < LEAST_ROWS:
        return MEAN
    losses = [_measure_loss(windows.pool(logits, each), examples) for each in SHARPNESSES]
    return SHARPNESSES[int(np.argmin(losses))]


def _measure_loss(logits: NDArray[np.float32], examples: Sequence[Example]) -> float:
    """Return the log loss of logits at the temperature that suits them best."""
    if examples[0].labels is None:
        labels = labels_of(examples)
        temperature = metrics.fit_temperature(logits, labels)
        return metrics.log_loss(metrics.softmax(logits, temperature), labels)
    hot = multi_hot(examples, logits.shape[1])
    temperatures = multi_label.fit_temperatures(logits, hot)
    return multi_label.log_loss(multi_label.sigmoid(logits, temperatures), hot)


def pool_tensors(values: Tensor, texts: Tensor, count: int, sharpness: float) -> Tensor:
    """Pool values of windows as `pool` does, with their gradients.

    Args:
        values: shape (windows, size).
        texts: the text of each window, shape (windows,).
        count: how many texts there are.
        sharpness: of the weights.
    """
    index = texts[:, None].expand_as(values)
    shape = (count, values.shape[1])
    lowest = values.new_full(shape, -math.inf)
    greatest = lowest.scatter_reduce(0, index, values, "amax")
    if math.isinf(sharpness):
        return greatest
    weights = torch.exp(sharpness * (values - greatest.detach().gather(0, index)))
    sums = values.new_zeros(shape).scatter_add(0, index, weights * values)
    return sums / values.new_zeros(shape).scatter_add(0, index, weights)
