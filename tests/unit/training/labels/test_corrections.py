from datetime import UTC, datetime, timedelta

import pytest

from inference.prediction_log.feedback import Feedback
from inference.tables.options import ReadOptions
from training import tasks
from training.data.labelled_file import LabelledFile
from training.labels.corrections import Corrections, collect_corrections

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
VERSION = "0123456789abcdef"
FILE = LabelledFile(tasks.NEWS, ReadOptions())
TEXTS = {"a#0": "Fed holds rates", "b#0": "FED holds rates!", "c#0": "A film", "d#0": None}


def feedback(key: str, predicted: str, label: str, minutes: int = 0) -> Feedback:
    return Feedback(key, NOW + timedelta(minutes=minutes), VERSION, predicted, label)


def collect(*window: Feedback, confirmed: bool = False) -> Corrections:
    corrections = collect_corrections(window, TEXTS, FILE, confirmed=confirmed)
    assert corrections.feedback == len(window)
    return corrections


def test_a_correction_is_a_row_and_a_confirmation_is_counted() -> None:
    found = collect(feedback("a#0", "Health", "Business"), feedback("c#0", "Health", "Health"))
    assert [(row.text, row.labels) for row in found.rows] == [("Fed holds rates", ("Business",))]
    assert found.confirmed == 1


def test_confirmations_are_rows_if_they_are_wanted() -> None:
    found = collect(feedback("c#0", "Health", "Health"), confirmed=True)
    assert [row.text for row in found.rows] == ["A film"]


@pytest.mark.parametrize("minutes", [1, -1])
def test_of_several_corrections_of_one_text_the_last_counts(minutes: int) -> None:
    # GIVEN two texts that read the same, and were corrected differently
    first = feedback("a#0", "Health", "Business")
    other = feedback("b#0", "Health", "Science", minutes)
    # WHEN they are collected THEN the later one is a row
    found = collect(first, other)
    (row,) = found.rows
    assert row.labels == (("Science",) if minutes > 0 else ("Business",))
    assert row.time == 1000 * int(max(first.time, other.time).timestamp())
    assert found.repeated == 1


def test_a_correction_that_was_taken_back_is_no_row() -> None:
    found = collect(
        feedback("a#0", "Health", "Business"), feedback("b#0", "Health", "Health", minutes=5)
    )
    assert (found.rows, found.confirmed, found.repeated) == ((), 1, 1)


@pytest.mark.parametrize(
    ("key", "label", "reason"),
    [
        ("d#0", "Health", "does not have its text"),
        ("e#0", "Health", "has expired"),
        ("a#0", "Money", "'Money' is not a label"),
    ],
)
def test_what_makes_no_row_is_rejected_with_the_reason(key: str, label: str, reason: str) -> None:
    (reject,) = collect(feedback(key, "Science", label)).rejects
    assert reject.prediction_id == f"{VERSION}.{key.replace('#', '.')}"
    assert reason in reject.reason


def test_the_sum_says_what_became_of_all_feedback() -> None:
    found = collect(
        feedback("a#0", "Health", "Business"),
        feedback("b#0", "Health", "Business", minutes=1),
        feedback("c#0", "Health", "Health"),
        feedback("d#0", "Health", "Science"),
    )
    assert found.describe() == (
        "4 predictions with feedback = 1 rows + 1 that the model got right + 1 repeated "
        "+ 1 rejected"
    )
