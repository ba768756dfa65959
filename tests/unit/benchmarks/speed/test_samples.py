from statistics import NormalDist

import numpy as np
import pytest

from benchmarks.speed.samples import Summary, compare, divide, find_rank, summarize


def test_a_summary_has_the_median_and_the_extremes() -> None:
    # GIVEN rounds, one of which was slow
    rounds = [2.0, 3.0, 2.5, 30.0]
    # WHEN they are summarized
    summary = summarize(rounds)
    # THEN the slow one shows in the range, not in the median
    assert summary == Summary(median=2.75, low=2.0, high=30.0, count=4)


def test_ratios_are_made_within_each_round() -> None:
    # GIVEN a second round that was ten times slower for both sides
    # WHEN one side is divided by the other
    # THEN the slow minute leaves no trace
    assert divide([6.0, 60.0], [2.0, 20.0]) == [3.0, 3.0]


def test_rounds_without_a_partner_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        divide([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("rounds", "left_out"),
    # Twice the binomial tail: 2/64 > 2 %; 2/128; 2/1024, and 22/1024 > 2 %; 26/4096.
    [(0, None), (6, None), (7, 0), (10, 0), (12, 1)],
)
def test_bounds_leave_out_extremes_as_the_sign_test_allows(
    rounds: int, left_out: int | None
) -> None:
    assert find_rank(rounds) == left_out


def test_a_change_in_every_round_is_called_slower() -> None:
    # GIVEN seven rounds, all 4 to 10 % slower than before
    before = [100.0] * 7
    now = [104.0, 105.0, 106.0, 107.0, 108.0, 109.0, 110.0]
    # WHEN they are compared
    change = compare(now, before)
    # THEN the bounds leave no room for no change
    assert change.median == pytest.approx(0.07)
    assert [change.low, change.high] == pytest.approx([0.04, 0.10])
    assert change.verdict == "SLOWER"


def test_less_time_in_every_round_is_called_faster() -> None:
    assert compare([9.0] * 7, [10.0] * 7).verdict == "faster"


def test_a_change_in_both_directions_is_noise() -> None:
    assert (
        compare([9, 11, 12, 13, 14, 15, 16], [10] * 7).verdict == "no difference beyond the noise"
    )


def test_few_rounds_cannot_be_certain() -> None:
    assert compare([20.0] * 6, [10.0] * 6).verdict == "too few rounds to tell"


def test_noise_alone_is_called_a_change_in_two_of_a_hundred_comparisons() -> None:
    # GIVEN 2,000 comparisons of two candidates that do not differ, each with its noise
    random = np.random.default_rng(0)
    comparisons = random.lognormal(sigma=0.3, size=(2000, 2, 7)).tolist()
    # WHEN their verdicts are counted
    changes = [compare(now, before) for now, before in comparisons]
    wrong = sum(change.verdict in ("SLOWER", "faster") for change in changes)
    # THEN about 1.6 % are wrong, as the sign test promises for seven rounds
    expected, deviation = 2000 / 64, (2000 / 64) ** 0.5
    assert abs(wrong - expected) < NormalDist().inv_cdf(0.9999) * deviation
