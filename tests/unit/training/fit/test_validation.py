import numpy as np
import pytest

from training.data.examples import UNLABELLED, Example
from training.fit.validation import score

LOGITS = np.array([[3.0, 1.0], [1.0, 3.0], [1.0, 3.0]], np.float32)


def test_one_label_a_text_is_the_greatest_output() -> None:
    rows = [Example("a", 0), Example("b", 1), Example("c", 0)]
    assert score(LOGITS, rows) == pytest.approx(2 / 3)


def test_several_labels_a_text_are_measured_at_the_best_thresholds() -> None:
    rows = [Example("a", UNLABELLED, labels=(0,)), Example("b", UNLABELLED, labels=(1,))] * 15
    logits = np.tile(np.array([[-1.0, -3.0], [-3.0, -1.0]], np.float32), (15, 1))
    assert score(logits, rows) == 1
