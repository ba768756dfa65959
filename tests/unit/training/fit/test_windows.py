from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from inference.model.long_texts import read_texts
from inference.model.pooling import pool
from inference.model.windows import MAX, MEAN, Windows
from training.data.examples import Example
from training.fit import text_model
from training.fit.settings import Settings
from training.fit.windows import (
    SHARPNESSES,
    TextWindows,
    choose_sharpness,
    describe_windows,
    encode_windows,
    pool_tensors,
    set_overlap,
)

SETTINGS = Settings(data="d", output="o", long_texts="windows", max_windows=3)
TEXTS = ["a", " ".join("abcdefgh"), " ".join("abcdefghijklmnopqrstuvwxyz"), ""]


@pytest.fixture(params=["right", "left"])
def tokenizer(request: pytest.FixtureRequest, tiny_base: Path) -> Tokenizer:
    """One that reads windows of eight wordpieces of a text, two of which are in the next."""
    _, tokenizer = text_model.load(tiny_base)
    tokenizer.enable_truncation(10, direction=request.param)
    set_overlap(tokenizer, SETTINGS)
    return tokenizer


def test_training_reads_the_windows_that_serving_reads(tokenizer: Tokenizer) -> None:
    # GIVEN texts of one window, of just one, of more than are read, and of no words
    windows = encode_windows(tokenizer, TEXTS, SETTINGS)
    # THEN their windows are those of the classifier
    read = read_texts(tokenizer, TEXTS, SETTINGS.max_windows)
    assert windows.token_ids == [ids for text in read for ids in text.token_ids]
    assert windows.counts.tolist() == [len(text.windows) for text in read] == [1, 1, 3, 1]
    assert windows.cut == sum(text.is_truncated for text in read) == 1
    # AND the tokenizer says by how much they overlap
    assert describe_windows(tokenizer, SETTINGS, MAX) == Windows.make(3, 2, MAX)


def test_texts_that_are_cut_have_one_window_each(tiny_base: Path) -> None:
    _, tokenizer = text_model.load(tiny_base)
    tokenizer.enable_truncation(10)
    cut = Settings(data="d", output="o")
    set_overlap(tokenizer, cut)
    windows = encode_windows(tokenizer, TEXTS, cut)
    assert windows.token_ids == text_model.encode(tokenizer, TEXTS)
    assert not windows.has_several
    assert describe_windows(tokenizer, cut, MEAN) is None


def test_drawn_windows_keep_their_order_and_short_texts_are_whole() -> None:
    # GIVEN a text of one window and one of six
    windows = TextWindows([[9], *([number] for number in range(6))], np.array([1, 6]), 6, 0)
    # THEN no more are drawn than there may be
    assert windows.draw(0, 2, (1, 1)) == [[9]]
    assert windows.draw(1, 6, (1, 1)) == [[number] for number in range(6)]
    drawn = [windows.draw(1, 2, (1, step)) for step in range(60)]
    assert all(first < second for first, second in drawn)
    # AND each window has its turn
    assert {ids for draw in drawn for (ids,) in draw} == set(range(6))


def test_the_windows_of_some_texts_are_selected() -> None:
    windows = TextWindows([[1], [2], [3], [4]], np.array([1, 2, 1]), 2, 0)
    selected = windows.select(np.array([2, 1]))
    assert (selected.token_ids, selected.counts.tolist()) == ([[4], [2], [3]], [1, 2])


@pytest.mark.parametrize("sharpness", SHARPNESSES)
def test_both_poolings_agree(sharpness: float) -> None:
    # GIVEN the logits of texts of one to five windows
    random = np.random.default_rng(0)
    counts = random.integers(1, 6, 40)
    logits = 4 * random.normal(size=(counts.sum(), 3)).astype(np.float32)
    texts = torch.from_numpy(np.repeat(np.arange(40), counts))
    # WHEN they are pooled for the loss THEN the result is what serving computes
    pooled = pool_tensors(torch.from_numpy(logits), texts, 40, sharpness)
    expected = pool(logits, np.cumsum(counts) - counts, sharpness)
    np.testing.assert_allclose(pooled.numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sharpness", [MEAN, 1.0, MAX])
def test_the_gradient_of_a_pooled_logit_is_right(sharpness: float) -> None:
    values = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    texts = torch.tensor([0, 0, 1, 2, 2])
    # The weights are differentiated, too: gradcheck compares with finite differences.
    assert torch.autograd.gradcheck(lambda each: pool_tensors(each, texts, 3, sharpness), values)


def make_rows(kind: str, several: bool) -> tuple[TextWindows, np.ndarray, list[Example]]:
    """Make texts of four windows whose label shows in all of them a little, or in one a lot."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 600)
    logits = random.normal(size=(600, 4, 2)).astype(np.float32)
    sign = np.where(labels[:, None] == np.arange(2), 1.0, -1.0)
    if kind == "mean":
        logits += 0.5 * sign[:, None]
    else:  # one window has evidence of the right label, and all others have none
        logits -= 3
        logits[np.arange(600), random.integers(0, 4, 600)] += np.maximum(sign, 0) * 6
    windows = TextWindows([[1]] * 2400, np.full(600, 4), 4, 0)
    answers = [(int(label),) for label in labels]
    rows = [
        Example("", -1 if several else label, labels=answer if several else None)
        for label, answer in zip(labels.tolist(), answers, strict=True)
    ]
    return windows, logits.reshape(-1, 2), rows


@pytest.mark.parametrize("several", [False, True], ids=["one label", "several labels"])
def test_pooling_suits_the_rows(several: bool) -> None:
    # GIVEN texts whose windows all tell the label, and texts of which only one does
    # WHEN it is chosen how to pool THEN it is by the mean, and by something close to the max
    assert choose_sharpness(*make_rows("mean", several)) <= 0.25
    assert choose_sharpness(*make_rows("max", several)) >= 1


def test_few_rows_and_texts_of_one_window_are_pooled_by_the_mean() -> None:
    windows, logits, rows = make_rows("max", several=False)
    few = windows.select(np.arange(99))
    assert choose_sharpness(few, logits[: 4 * 99], rows[:99]) == MEAN
    single = TextWindows([[1]] * 600, np.ones(600, np.intp), 4, 0)
    assert choose_sharpness(single, logits[:600], rows) == MEAN
