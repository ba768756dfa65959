import numpy as np
import pytest
from scipy.sparse import csr_matrix

from training.labels.diversity import draw_diverse, find_residuals, find_residuals_of_labels

# Three kinds of texts, ten of each, which point in three directions.
KINDS = np.repeat(np.eye(3), 10, axis=0)
ONES = np.ones((30, 1))


def test_the_residual_is_long_where_the_model_is_unsure() -> None:
    residuals = find_residuals(np.array([[0.5, 0.5], [0.99, 0.01]]))
    assert residuals == pytest.approx(np.array([[-0.5, 0.5], [-0.01, 0.01]]))


def test_the_residual_of_labels_that_each_may_apply_is_near_their_thresholds() -> None:
    probabilities = np.array([[0.9, 0.1], [0.55, 0.4]])
    residuals = find_residuals_of_labels(probabilities, np.array([0.5, 0.5]))
    assert residuals == pytest.approx(np.array([[-0.1, 0.1], [-0.45, 0.4]]))


@pytest.mark.parametrize("features", [KINDS, csr_matrix(KINDS)], ids=["array", "sparse"])
def test_texts_of_every_kind_are_drawn_before_one_repeats(features: object) -> None:
    # GIVEN texts of three kinds, equal within each
    # WHEN three are drawn
    drawn = draw_diverse(ONES, features, 3, seed=1)
    # THEN they are one of each kind
    assert sorted(row // 10 for row in drawn) == [0, 1, 2]


def test_the_most_uncertain_text_is_drawn_first() -> None:
    shares = np.full((30, 2), 0.5) + np.linspace(0.4, 0, 30)[:, None] * [1, -1]
    assert draw_diverse(find_residuals(shares), KINDS, 1, seed=1) == [29]


def test_of_texts_that_a_model_is_sure_of_at_most_one_is_drawn() -> None:
    # GIVEN a model that is sure of two kinds, and unsure of the texts of the third
    shares = np.repeat([[1.0, 0.0], [1.0, 0.0], [0.6, 0.4]], 10, axis=0)
    # WHEN texts are drawn, which differ within their kind
    features = KINDS + np.random.default_rng(0).normal(0, 0.3, (30, 3))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    drawn = draw_diverse(find_residuals(shares), features, 8, seed=1)
    # THEN nearly all are of the third kind
    assert sum(row >= 20 for row in drawn) >= 7


def test_no_text_is_drawn_twice_even_if_all_are_alike() -> None:
    assert sorted(draw_diverse(ONES, np.ones((30, 3)), 30, seed=1)) == list(range(30))


def test_the_same_seed_draws_the_same_texts() -> None:
    features = np.random.default_rng(0).normal(size=(30, 3))
    assert draw_diverse(ONES, features, 9, 1) == draw_diverse(ONES, features, 9, 1)
