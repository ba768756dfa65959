from datetime import UTC, datetime

import pytest

from inference.drift.live_accuracy import Agreement, Correction, show_labels, summarize
from inference.prediction_log.feedback import Feedback, Labels

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


def feedback(predicted: Labels, label: Labels) -> Feedback:
    return Feedback("id#0", NOW, "0123456789abcdef", predicted, label)


@pytest.mark.parametrize(
    ("agreed", "texts", "low", "high"),
    [  # by scipy.stats.binomtest(agreed, texts).proportion_ci(method="wilson")
        (0, 1, 0.0, 0.79345069),
        (1, 1, 0.20654931, 1.0),
        (7, 10, 0.39677815, 0.89220873),
        (950, 1000, 0.93468618, 0.96186974),
    ],
)
def test_the_interval_is_wilsons(agreed: int, texts: int, low: float, high: float) -> None:
    assert Agreement("", texts, agreed).interval == pytest.approx((low, high), abs=1e-6)


def test_agreement_is_counted_for_each_label_that_was_predicted() -> None:
    # GIVEN feedback on three predictions of one label and one of another
    window = [
        feedback("Science", "Science"),
        feedback("Science", "Health"),
        feedback("Science", "Health"),
        feedback("Health", "Health"),
    ]
    # WHEN it is counted
    live = summarize(window)
    # THEN there is a total, a count for each label, and what replaced what
    assert live
    assert live.total == Agreement("", 4, 2)
    assert live.by_label == (Agreement("Science", 3, 1), Agreement("Health", 1, 1))
    assert live.corrections == (Correction("Science", "Health", 2),)


def test_the_order_of_several_labels_does_not_matter() -> None:
    live = summarize(
        [feedback(("a", "b"), ("b", "a")), feedback(("a",), ()), feedback("a", ("a",))]
    )
    assert live
    assert live.total.agreed == 2
    assert show_labels(()) == "(none)"


def test_without_feedback_there_is_nothing_to_measure() -> None:
    assert summarize([]) is None
