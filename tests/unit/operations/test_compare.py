from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from inference.predictions.sample import Logged
from operations.compare import Difference, Mean, differences, report, requests_of
from operations.stack import DeliveryError

OLD, NEW = "0123456789abcdef", "fedcba9876543210"


def log(labels: Sequence[str], texts: int = 1, confidence: float = 0.9) -> list[Logged]:
    """Requests with a label each, of so many texts alike."""
    return [
        Logged(str(request), label, confidence, 9, 0)
        for request, label in enumerate(labels)
        for _ in range(texts)
    ]


def mix(yes: int, no: int) -> list[str]:
    return ["yes"] * yes + ["no"] * no


def share(found: list[Difference], name: str) -> Difference:
    (one,) = (one for one in found if one.name == name)
    return one


def test_the_interval_of_a_difference_is_newcombes() -> None:
    # GIVEN the first example of Newcombe's paper: 56 of 70 against 48 of 80
    found = differences(log(mix(48, 32)), log(mix(56, 14)))
    # WHEN the interval is computed THEN it is the paper's, but for n - 1 in a variance
    low, high = share(found, "yes").interval(0.95)
    assert low == pytest.approx(0.0524, abs=0.002)
    assert high == pytest.approx(0.3339, abs=0.002)


def test_a_label_that_one_model_never_gives_has_an_interval() -> None:
    found = share(differences(log(mix(0, 500)), log(mix(5, 495))), "yes")
    low, high = found.interval(0.95)
    assert low < found.value < high < 0.03


def test_texts_of_one_request_are_one_witness() -> None:
    # GIVEN the same requests, of one text and of ten alike
    alone = Mean.of([1.0] * 50 + [0.0] * 50, requests_of(log(mix(50, 50))))
    tenfold = Mean.of([1.0] * 500 + [0.0] * 500, requests_of(log(mix(50, 50), texts=10)))
    # THEN ten times the texts make nobody surer
    assert tenfold.variance == pytest.approx(alone.variance)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    # GIVEN two models that give a label alike, asked in requests of 1 to 20 related texts
    random, held = np.random.default_rng(0), 0
    for _ in range(200):
        logs: list[Any] = []
        for _ in range(2):
            sizes = random.integers(1, 21, 100)
            chances = random.beta(1, 4, 100)  # of each request; 0.2 on average
            logs.append(
                [
                    Logged(str(request), "yes" if random.random() < chance else "no", 0.9, 9, 0)
                    for request, (size, chance) in enumerate(zip(sizes, chances, strict=True))
                    for _ in range(size)
                ]
            )
        # WHEN the difference is estimated
        low, high = share(differences(*logs), "yes").interval(0.95)
        held += low < 0 < high
    # THEN 95 % of the intervals have the true one, 0, in them (four standard deviations)
    assert held / 200 == pytest.approx(0.95, abs=0.062)


def test_the_difference_that_would_be_seen_is_seen_four_times_in_five() -> None:
    # GIVEN what a sample of 1,000 requests each could see
    random, seen = np.random.default_rng(0), 0
    least = share(differences(log(mix(300, 700)), log(mix(300, 700))), "yes").visible(0.95)
    for _ in range(200):
        # WHEN the models do differ by as much
        yes, other = random.binomial(1000, [0.3, 0.3 + least])
        found = share(differences(log(mix(yes, 1000 - yes)), log(mix(other, 1000 - other))), "yes")
        seen += found.interval(0.95)[0] > 0
    # THEN it is seen as often
    assert seen / 200 == pytest.approx(0.8, abs=0.11)


def test_a_report_says_that_models_differ_and_in_what() -> None:
    text = report(OLD, NEW, log(mix(300, 700)), log(mix(500, 500)))
    assert f"{OLD}: 1,000 texts in 1,000 requests" in text
    assert "| yes | 30.00% | 50.00% | +20.00% (+15." in text
    assert "They differ in no, yes (95 % sure" in text
    assert "inference.model.publish --compare" in text


def test_a_report_says_what_it_could_have_seen_where_nothing_is() -> None:
    text = report(OLD, NEW, log(mix(300, 700)), log(mix(305, 695)))
    assert "No difference is seen; samples of this size show a difference of 6." in text


def test_the_mean_confidence_is_compared() -> None:
    text = report(OLD, NEW, log(mix(300, 700)), log(mix(300, 700), confidence=0.8))
    assert "They differ in (mean confidence)" in text


def test_too_few_requests_are_an_error() -> None:
    with pytest.raises(DeliveryError, match=f"{NEW} has answered 4 requests of 100"):
        report(OLD, NEW, log(mix(300, 700)), log(mix(2, 2), texts=100))
