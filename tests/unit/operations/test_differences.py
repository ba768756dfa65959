from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inference.prediction_log.table import LoggedPrediction
from operations.differences import Difference, Mean, estimate_differences, number_requests
from tests.unit.operations.answers import log, mix


def difference(
    deployed: Sequence[LoggedPrediction], candidate: Sequence[LoggedPrediction], name: str = "yes"
) -> Difference:
    (match,) = (each for each in estimate_differences(deployed, candidate) if each.name == name)
    return match


def test_the_interval_of_a_difference_of_shares_is_newcombes() -> None:
    # GIVEN the first example of Newcombe's paper: 56 of 70 against 48 of 80
    shares = difference(log(mix(48, 32)), log(mix(56, 14)))
    # WHEN the interval is computed THEN it is the paper's, except for n - 1 in a variance
    low, high = shares.interval(0.95)
    assert low == pytest.approx(0.0524, abs=0.002)
    assert high == pytest.approx(0.3339, abs=0.002)


def test_a_label_that_one_model_never_gives_has_an_interval() -> None:
    shares = difference(log(mix(0, 500)), log(mix(5, 495)))
    low, high = shares.interval(0.95)
    assert low < shares.value < high < 0.03


def test_more_texts_in_the_same_requests_add_no_certainty() -> None:
    # GIVEN the same requests, with one text each and with ten texts of the same label
    single = Mean.estimate([1.0] * 50 + [0.0] * 50, number_requests(log(mix(50, 50))))
    tenfold = Mean.estimate([1.0] * 500 + [0.0] * 500, number_requests(log(mix(50, 50), texts=10)))
    # THEN both means are equally certain
    assert tenfold.variance == pytest.approx(single.variance)


def test_a_95_percent_interval_covers_the_true_difference_95_percent_of_the_time() -> None:
    # GIVEN two equal models, asked in requests of 1 to 20 related texts
    random, covered = np.random.default_rng(0), 0
    for _ in range(200):
        logs: list[Any] = []
        for _ in range(2):
            sizes = random.integers(1, 21, 100)
            chances = random.beta(1, 4, 100)  # of each request; 0.2 on average
            logs.append(
                [
                    LoggedPrediction(
                        str(request), "yes" if random.random() < chance else "no", 0.9, 9, 0
                    )
                    for request, (size, chance) in enumerate(zip(sizes, chances, strict=True))
                    for _ in range(size)
                ]
            )
        # WHEN the difference is estimated
        low, high = difference(logs[0], logs[1]).interval(0.95)
        covered += low < 0 < high
    # THEN 95 % of the intervals contain the true difference, 0 (within four standard deviations)
    assert covered / 200 == pytest.approx(0.95, abs=0.062)


def test_the_smallest_detectable_difference_is_detected_four_times_in_five() -> None:
    # GIVEN the smallest difference that samples of 1,000 requests each can reveal
    random, detected = np.random.default_rng(0), 0
    smallest = difference(log(mix(300, 700)), log(mix(300, 700))).detectable(0.95)
    for _ in range(200):
        # WHEN the models differ by that much
        yes, other = random.binomial(1000, [0.3, 0.3 + smallest])
        shares = difference(log(mix(yes, 1000 - yes)), log(mix(other, 1000 - other)))
        detected += shares.interval(0.95)[0] > 0
    # THEN it is detected with probability 0.8
    assert detected / 200 == pytest.approx(0.8, abs=0.11)


def test_the_mean_confidence_has_an_interval() -> None:
    # GIVEN confidences of 0.8 and 0.6 in equal parts, and all 0.1 lower in the candidate
    logs = [
        [
            LoggedPrediction(str(request), "yes", high - 0.2 * (request % 2), 9, 0)
            for request in range(200)
        ]
        for high in (0.8, 0.7)
    ]
    # WHEN the means are compared THEN Wald's interval is that of a standard deviation of 0.1 each
    mean = difference(logs[0], logs[1], "(mean confidence)")
    low, high = mean.interval(0.95)
    assert mean.value == pytest.approx(-0.1)
    assert high - low == pytest.approx(2 * 1.96 * 0.1 * (2 / 199) ** 0.5, rel=0.001)


def test_abstentions_are_compared_if_both_models_can_abstain() -> None:
    # GIVEN a deployed model that abstains from a tenth of the texts, and a candidate from a half
    deployed = [
        replace(text, outcome="answered" if n % 10 else "low_confidence")
        for n, text in enumerate(log(mix(100, 100)))
    ]
    candidate = [
        replace(text, outcome="answered" if n % 2 else "out_of_scope")
        for n, text in enumerate(log(mix(100, 100)))
    ]
    # WHEN they are compared THEN the difference is there
    assert difference(deployed, candidate, "(abstained)").value == pytest.approx(0.4)
    # AND not if one of them has no thresholds
    names = [each.name for each in estimate_differences(log(mix(100, 100)), candidate)]
    assert "(abstained)" not in names


def test_each_of_several_labels_has_its_share() -> None:
    # GIVEN texts with one label, with both, and with none
    texts = [
        LoggedPrediction(str(number), next(iter(labels), ""), 0.9, 9, 0, labels=labels)
        for number, labels in enumerate([("a",), ("a", "b"), (), ()] * 50)
    ]
    # WHEN two models are compared THEN there is a share of each label, and none of no label
    found = {each.name: each.deployed.value for each in estimate_differences(texts, texts)}
    assert found == pytest.approx({"a": 0.5, "b": 0.25, "(mean confidence)": 0.9})
