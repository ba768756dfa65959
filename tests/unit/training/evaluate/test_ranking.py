import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training.evaluate.ranking import measure_auroc


def test_the_area_is_that_of_scikit_learn_with_ties() -> None:
    # GIVEN scores with many ties
    random = np.random.default_rng(0)
    known = random.integers(0, 8, 300).astype(float)
    other = random.integers(3, 12, 200).astype(float)
    # WHEN the area is measured
    area, interval = measure_auroc(known, other, np.arange(300))
    # THEN it is the one of the curve, and within its interval
    truth = np.repeat([0, 1], [300, 200])
    assert area == pytest.approx(roc_auc_score(truth, np.concatenate([known, other])))
    assert interval.low < area < interval.high


def test_the_interval_holds_the_true_area_in_most_samples() -> None:
    # GIVEN two normal distributions a standard deviation apart, whose area is 0.7602
    random, held = np.random.default_rng(1), 0
    for _ in range(200):
        known, other = random.normal(0, 1, 150), random.normal(1, 1, 100)
        _, interval = measure_auroc(known, other, np.arange(150))
        held += interval.low <= 0.7602 <= interval.high
    # THEN about 95 % of the intervals hold it
    assert 180 <= held <= 199


def test_copies_of_texts_do_not_narrow_the_interval() -> None:
    # GIVEN known texts, and each of them ten times as a story
    random = np.random.default_rng(2)
    known, other = random.normal(0, 1, 40), random.normal(1, 1, 500)
    _, once = measure_auroc(known, other, np.arange(40))
    _, repeated = measure_auroc(np.repeat(known, 10), other, np.repeat(np.arange(40), 10))
    # THEN the interval is the same
    assert repeated == pytest.approx(once, abs=1e-9)


def test_scores_that_rank_perfectly_have_an_area_of_1() -> None:
    area, interval = measure_auroc(np.zeros(10), np.ones(10), np.arange(10))
    assert (area, interval.high) == (1.0, 1.0)
