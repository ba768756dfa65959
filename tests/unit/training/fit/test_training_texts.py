from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from training.data.examples import UNLABELLED, Example
from training.fit import text_model
from training.fit.distillation import Targets
from training.fit.epoch_rows import EpochRows
from training.fit.objective import NO_GROUP
from training.fit.settings import Settings
from training.fit.training_texts import TrainingTexts
from training.fit.windows import set_overlap

SEED = 42


def encode(base: Path, examples: list[Example], **changes: object) -> TrainingTexts:
    """Encode rows with the tokenizer of the tiny model, which reads six wordpieces of a text."""
    _, tokenizer = text_model.load(base)
    tokenizer.enable_truncation(6)
    settings = Settings.model_validate({"data": "d", "output": "o", **changes})
    targets = Targets(np.arange(2 * len(examples), dtype=np.float32).reshape(-1, 2))
    set_overlap(tokenizer, settings)
    epochs = EpochRows.of(examples, settings)
    return TrainingTexts.encode(examples, targets, tokenizer, epochs, settings)


def test_new_rows_can_be_seen_several_times_an_epoch(tiny_base: Path) -> None:
    # GIVEN a new row after 20 others
    examples = [Example(f"headline {n}", n % 2) for n in range(20)] + [Example("x", 0, new=True)]
    # WHEN it is to be seen three times an epoch
    texts = encode(tiny_base, examples, new_rows="folder", new_rows_times=3)
    epoch = list(islice(texts.batches_from(0, 4, SEED), texts.epochs.count_steps(4)))
    # THEN an epoch has it three times, and each other row once
    assert np.bincount(np.concatenate(epoch)).tolist() == [1] * 20 + [3]


@pytest.mark.parametrize("balance_groups", [0, 3])
def test_batches_continue_from_any_step(balance_groups: int, tiny_base: Path) -> None:
    # GIVEN the batches of two epochs
    examples = [Example(f"headline {n}", 0, f"{n // 5}") for n in range(23)]
    texts = encode(tiny_base, examples, balance_groups=balance_groups)
    count = 2 * texts.epochs.count_steps(4)
    assert count == (8 if balance_groups else 12)
    whole = [batch.tolist() for batch in islice(texts.batches_from(0, 4, SEED), count)]
    # WHEN a run continues in the middle of the first or the second epoch
    # THEN its batches are those that would have come next
    for step in (3, 7):
        rest = islice(texts.batches_from(step, 4, SEED), count - step)
        assert [batch.tolist() for batch in rest] == whole[step:]


def test_each_epoch_has_its_own_rows_if_groups_are_balanced(tiny_base: Path) -> None:
    # GIVEN a group of 40 rows, of which an epoch has ten
    examples = [Example(f"headline {n}", 0, "a") for n in range(40)]
    texts = encode(tiny_base, examples, balance_groups=10)
    # WHEN three epochs are batched THEN each has the rows that are drawn for it
    batches = list(islice(texts.batches_from(0, 5, SEED), 6))
    for epoch in range(3):
        rows = np.concatenate(batches[2 * epoch : 2 * epoch + 2])
        assert sorted(rows) == texts.epochs.draw(epoch).tolist()


def test_unknown_wordpieces_and_cut_texts_are_counted(tiny_base: Path) -> None:
    # GIVEN a tokenizer that reads six wordpieces, and knows no Chinese
    examples = [Example("a b c d", 0), Example("a b c d e", 0), Example("体 育 a b", 0)]
    # WHEN texts are encoded
    texts = encode(tiny_base, examples)
    # THEN a text of just six is not cut, and two wordpieces in twelve are unknown
    assert texts.cut == 1 / 3
    assert texts.unknown == 2 / 12


def test_a_batch_has_the_targets_of_its_rows(tiny_base: Path) -> None:
    # GIVEN three rows, one of them without a label
    examples = [Example("a b", 0, "x"), Example("c", 1, "y"), Example("d e f", UNLABELLED)]
    texts = encode(tiny_base, examples)
    # WHEN a batch of two is made
    batch = texts.make_batch(np.array([2, 0]), pad_id=0)
    # THEN it has their tokens, padded, and their targets; the text without a label has no group
    assert batch.mask.sum(dim=1).tolist() == [5, 4]
    assert batch.targets.tolist() == [[4, 5], [0, 1]]
    assert batch.groups.tolist() == [NO_GROUP, 0]
    assert texts.count_groups() == 2
    assert batch.softened is batch.states is batch.texts is None


def test_a_batch_has_a_few_windows_of_each_text(tiny_base: Path) -> None:
    # GIVEN texts of one window, of three and of two, each of at most four wordpieces of the text
    texts = ["a b", "a b c d e f g h i j", "b c d e f"]
    examples = [Example(text, 0) for text in texts]
    encoded = encode(tiny_base, examples, long_texts="windows")
    assert encoded.windows.counts.tolist() == [1, 3, 2]
    # WHEN a batch of all is made
    batch = encoded.make_batch(np.array([1, 0, 2]), pad_id=0)
    # THEN it has at most two windows of each, and knows whose they are
    assert batch.texts is not None
    assert batch.texts.tolist() == [0, 0, 1, 2, 2]
    assert batch.mask.sum(dim=1).tolist()[2] == 4
    assert len(batch.targets) == len(batch.groups) == 3


def test_each_step_draws_other_windows_and_the_same_again(tiny_base: Path) -> None:
    # GIVEN a text of many windows
    examples = [Example(" ".join("abcdefghijklmnopqrstuvwxyz"), 0)]
    encoded = encode(tiny_base, examples, long_texts="windows")
    rows = np.array([0])
    # WHEN several steps have it
    steps = [encoded.make_batch(rows, 0, step=step).inputs.tolist() for step in range(20)]
    # THEN their windows differ, as a run that is resumed draws them, too
    assert len({str(step) for step in steps}) > 10
    assert encoded.make_batch(rows, 0, step=7).inputs.tolist() == steps[7]
