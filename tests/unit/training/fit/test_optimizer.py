import pytest
import torch

from training.fit.optimizer import get_learning_rate, make_adamw, make_averaging
from training.fit.settings import Settings

SETTINGS = Settings(data="d", output="o", learning_rate=2e-3, warmup=0.1, weight_decay=0.5)


def test_the_learning_rate_warms_up_and_decays() -> None:
    rates = [get_learning_rate(step, 100, SETTINGS) for step in range(100)]
    assert rates.index(max(rates)) == 9
    assert max(rates) == 2e-3
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.02 * 2e-3


def test_matrices_decay_and_biases_do_not() -> None:
    matrices, vectors = make_adamw(torch.nn.Linear(2, 3), SETTINGS).param_groups
    assert ([p.ndim for p in matrices["params"]], matrices["weight_decay"]) == ([2], 0.5)
    assert ([p.ndim for p in vectors["params"]], vectors["weight_decay"]) == ([1], 0.0)


@pytest.mark.parametrize(("updates", "share"), [(0, 0.1), (2, 0.25), (10_000, 0.9)])
def test_the_mean_of_the_weights_follows_faster_in_the_first_steps(
    updates: int, share: float
) -> None:
    # GIVEN a mean of 1 and weights of 0
    mean = [torch.ones(1)]
    # WHEN the mean is updated
    make_averaging(0.9)(mean, [torch.zeros(1)], updates)
    # THEN it keeps a share of itself, which grows up to the decay
    assert mean[0].item() == pytest.approx(share)
