from itertools import islice
from pathlib import Path

import numpy as np

from training.data.examples import Example
from training.fit import distilbert
from training.fit.training_texts import TrainingTexts

SEED = 42


def test_new_rows_can_be_seen_several_times_an_epoch(tiny_base: Path) -> None:
    # GIVEN a new row after 20 others
    _, tokenizer = distilbert.load(tiny_base)
    examples = [Example(f"headline {n}", n % 2) for n in range(20)] + [Example("x", 0, new=True)]
    targets = np.zeros((len(examples), 2), np.float32)
    # WHEN it is to be seen three times an epoch
    texts = TrainingTexts.encode(examples, targets, tokenizer, new_rows_times=3)
    epoch = list(islice(texts.batches_from(0, 4, SEED), texts.count_steps(4)))
    # THEN an epoch has it three times, and each other row once
    assert np.bincount(np.concatenate(epoch)).tolist() == [1] * 20 + [3]


def test_batches_continue_from_any_step(tiny_base: Path) -> None:
    # GIVEN the batches of two epochs of six steps
    _, tokenizer = distilbert.load(tiny_base)
    examples = [Example(f"headline {n}", 0) for n in range(23)]
    texts = TrainingTexts.encode(examples, np.zeros((23, 1), np.float32), tokenizer, 1)
    whole = [batch.tolist() for batch in islice(texts.batches_from(0, 4, SEED), 12)]
    # WHEN a run continues in the middle of the first or the second epoch
    # THEN its batches are those that would have come next
    for step in (5, 8):
        rest = islice(texts.batches_from(step, 4, SEED), 12 - step)
        assert [batch.tolist() for batch in rest] == whole[step:]


def test_unknown_wordpieces_and_cut_texts_are_counted(tiny_base: Path) -> None:
    # GIVEN a tokenizer that reads six wordpieces, and knows no Chinese
    _, tokenizer = distilbert.load(tiny_base)
    tokenizer.enable_truncation(6)
    examples = [Example("a b c d", 0), Example("a b c d e", 0), Example("体 育 a b", 0)]
    # WHEN texts are encoded
    texts = TrainingTexts.encode(examples, np.zeros((3, 1), np.float32), tokenizer, 1)
    # THEN a text of just six is not cut, and two wordpieces in twelve are unknown
    assert texts.cut == 1 / 3
    assert texts.unknown == 2 / 12
