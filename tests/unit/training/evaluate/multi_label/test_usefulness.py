from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training.data.examples import UNLABELLED, Example
from training.evaluate.multi_label.usefulness import choose_constant, measure_usefulness

NAMES = ("a", "b", "c")


@pytest.fixture
def model() -> Any:
    """What the function reads of a model: its rows and its labels."""
    rows = [Example(f"{n}", UNLABELLED, labels=(0,) if n % 2 else (0, 1)) for n in range(40)]
    return SimpleNamespace(
        folder=Path(), labels=NAMES, rows=SimpleNamespace(train=rows, test=rows[:20])
    )


def test_the_constant_answer_is_the_best_one() -> None:
    labels = np.array([[True, True, False], [True, False, False], [True, True, True]])
    assert choose_constant(labels).tolist() == [True, True, False]


def test_a_model_is_compared_with_the_same_labels_for_all(model: Any) -> None:
    # GIVEN a model that is always right
    answers = np.array([[True, not n % 2, False] for n in range(20)])
    # WHEN it is measured THEN it is better than always answering the most frequent labels
    useful = measure_usefulness(model, answers, answers, "linear")
    assert useful.against_constant.difference > 0
    assert useful.against_baseline.difference == 0
    assert useful.always_predicts is None


def test_a_model_that_gives_always_the_same_labels_is_found_out(model: Any) -> None:
    answers = np.broadcast_to([True, False, False], (20, 3))
    useful = measure_usefulness(model, answers, answers, "linear")
    assert useful.always_predicts == ("a",)
    assert useful.never_predicts == ("b",)
