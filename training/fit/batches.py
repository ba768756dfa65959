"""Batches of texts of similar length: little padding, and the same for the same seed."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BUCKET_BATCHES = 100  # batches that are sorted by length together; more pads less and mixes less


def batch_by_length(lengths: Sequence[int], batch_size: int) -> list[NDArray[np.intp]]:
    """Return row numbers in batches, shortest texts first."""
    order = np.argsort(np.asarray(lengths), kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def shuffle(
    lengths: Sequence[int], batch_size: int, seed: int, epoch: int
) -> list[NDArray[np.intp]]:
    """Return the row numbers of one epoch in random batches, each of nearly one length."""
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths))
    size = batch_size * BUCKET_BATCHES
    batches: list[NDArray[np.intp]] = []
    for start in range(0, len(order), size):
        bucket = order[start : start + size]
        in_bucket = batch_by_length([lengths[row] for row in bucket], batch_size)
        batches += [bucket[rows] for rows in in_bucket]
    return [batches[index] for index in random.permutation(len(batches))]


def pad(token_ids: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Return input ids and attention mask, each int64 of shape (texts, longest text)."""
    width = max(len(ids) for ids in token_ids)
    inputs = np.full((len(token_ids), width), pad_id, np.int64)
    mask = np.zeros_like(inputs)
    for row, ids in enumerate(token_ids):
        inputs[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return torch.from_numpy(inputs), torch.from_numpy(mask)


def mask_words(inputs: Tensor, mask: Tensor, mask_id: int, share: float) -> Tensor:
    """Replace a random share of the wordpieces with [MASK].

    The first and the last token of a text, [CLS] and [SEP], are kept. A model that cannot rely on
    any one word learns less of a story's names and more of its subject (word dropout, Iyyer et al.
    2015, https://aclanthology.org/P15-1162).
    """
    words = mask.bool() & mask.roll(-1, dims=1).bool()
    words[:, 0] = False
    words[:, -1] = False
    return inputs.masked_fill(words & (torch.rand(inputs.shape) < share), mask_id)
