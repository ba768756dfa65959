from itertools import pairwise

import numpy as np
import pytest

from inference.model.pooling import pool
from inference.model.windows import MAX, MEAN

# Of a text of two windows, of one, and of three; each has two labels.
LOGITS = np.array([[1, -1], [3, -5], [0.5, 2], [0, 0], [6, 0], [0, -3]], np.float32)
STARTS = np.array([0, 2, 3])


def test_mean_and_max_are_those_of_each_label() -> None:
    mean, greatest = pool(LOGITS, STARTS, MEAN), pool(LOGITS, STARTS, MAX)
    assert mean == pytest.approx(np.array([[2, -3], [0.5, 2], [2, -1]]))
    assert greatest == pytest.approx(np.array([[3, -1], [0.5, 2], [6, 0]]))


def test_a_weighted_mean_is_closer_to_the_greatest_logit_the_sharper_it_is() -> None:
    # GIVEN sharpnesses from mean to max
    pooled = [pool(LOGITS, STARTS, each) for each in (MEAN, 0.5, 1.0, 4.0, MAX)]
    # THEN each pools logits that differ into a greater one
    for less, more in pairwise(pooled):
        assert (more[[0, 2]] > less[[0, 2]]).all()
    # AND it is the sum of the logits weighted by their exponentials (McFee et al. 2018, eq. 3)
    weights = np.exp([0.5, 1.5])
    assert pooled[1][0, 0] == pytest.approx((weights * [1, 3]).sum() / weights.sum())


@pytest.mark.parametrize("sharpness", [MEAN, 2.0, MAX])
def test_the_logits_of_a_single_window_stay_as_they_are_to_the_last_bit(sharpness: float) -> None:
    logits = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    assert (pool(logits, np.arange(50), sharpness) == logits).all()


def test_large_logits_do_not_overflow() -> None:
    assert pool(np.array([[900.0], [1000.0]]), np.array([0]), 4.0) == pytest.approx(1000)


def test_no_text_has_no_logits() -> None:
    assert pool(np.zeros((0, 2)), np.zeros(0, np.intp), MEAN).shape == (0, 2)
