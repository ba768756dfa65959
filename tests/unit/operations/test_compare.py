from datetime import UTC, datetime

import pytest

from inference.prediction_log.table import LoggedPrediction
from operations.compare import Answers, count_whole_hours, report
from operations.stack import StackError
from tests.unit.operations.answers import log, mix

OLD, NEW = "0123456789abcdef", "fedcba9876543210"


def compare(deployed: list[LoggedPrediction], candidate: list[LoggedPrediction]) -> str:
    return report(Answers(OLD, deployed), Answers(NEW, candidate))


def test_a_report_names_the_labels_in_which_the_models_differ() -> None:
    text = compare(log(mix(300, 700)), log(mix(500, 500)))
    assert f"{OLD}: 1,000 texts in 1,000 requests" in text
    assert "| yes | 30.00% | 50.00% | +20.00% (+15." in text
    assert "They differ in no, yes (95 % confidence" in text
    assert "textclf head-to-head" in text


def test_a_report_without_a_difference_says_which_one_it_would_have_revealed() -> None:
    text = compare(log(mix(300, 700)), log(mix(305, 695)))
    assert "No difference is visible. Samples of this size reveal a difference of 6." in text


def test_a_report_compares_the_mean_confidence() -> None:
    text = compare(log(mix(300, 700)), log(mix(300, 700), confidence=0.8))
    assert "They differ in (mean confidence)" in text


def test_too_few_requests_are_an_error() -> None:
    with pytest.raises(StackError, match=f"{NEW} has answered 4 requests: at least 100"):
        compare(log(mix(300, 700)), log(mix(2, 2), texts=100))


@pytest.mark.parametrize(
    ("start", "hours"),
    [
        ("2026-11-21T09:50:00.000+0000", 2),
        ("2026-11-21T11:00:00.000+0000", 0),
        ("2026-11-21T12:10:00.000+0000", 0),
    ],
)
def test_the_hour_in_which_a_candidate_started_does_not_count(start: str, hours: int) -> None:
    now = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
    assert count_whole_hours(start, now) == hours
