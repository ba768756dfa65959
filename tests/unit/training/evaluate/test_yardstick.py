import numpy as np
import pytest

from training.data.examples import Example
from training.evaluate.yardstick import (
    NO_LABEL,
    LlmLabels,
    choose_rows,
    describe_yardstick,
)
from training.labels.llm.spending import Usage

TEST = [Example(f"text {number}", number % 2) for number in range(40)]
RIGHT = np.array([row.label for row in TEST])


def test_the_sample_is_random_and_always_the_same() -> None:
    rows = choose_rows(TEST, 10, frozenset())
    assert rows.tolist() == choose_rows(TEST, 10, frozenset()).tolist()
    assert len(set(rows.tolist())) == 10
    assert rows.tolist() != sorted(rows.tolist())


def test_a_larger_sample_holds_the_smaller_one() -> None:
    few, many = (choose_rows(TEST, count, frozenset()).tolist() for count in (10, 20))
    assert many[:10] == few


def test_a_row_that_the_prompt_shows_is_not_in_the_sample() -> None:
    shown = frozenset({"text 3", "text 4"})
    assert sorted(choose_rows(TEST, 100, shown).tolist()) == [
        number for number in range(40) if number not in (3, 4)
    ]


def test_both_are_compared_on_the_same_rows() -> None:
    # GIVEN an LLM that was asked about 20 rows, has two wrong and gives two no label
    rows = np.arange(20, 40)
    labels = RIGHT[rows].copy()
    labels[:2] = 1 - labels[:2]
    labels[2:4] = NO_LABEL
    llm = LlmLabels("m", rows, labels, Usage(20, 8000, 800), usd=0.012)
    # WHEN a model that is right about all rows but one of them is compared with it
    predicted = RIGHT.copy()
    predicted[39] = 1 - predicted[39]
    comparison = llm.compare(predicted, TEST)
    # THEN a row without a label counts as wrong
    assert comparison.texts == 20
    assert comparison.accuracy == pytest.approx(0.95)
    assert comparison.other_accuracy == pytest.approx(0.8)
    assert (comparison.only_right, comparison.other_only_right) == (4, 1)
    assert comparison.without_label == 2
    # AND the report says what both can do, and what the LLM costs
    heading, text, table = describe_yardstick(comparison, "fp32 model")
    assert heading == "## Against m"
    assert "On 20 test rows, drawn at random, the model labels 95.00% correctly" in text
    assert "gave 2 of the rows no label" in text
    assert "for $0.0120: $0.6000 for 1,000 texts" in text
    assert "fp32 model against m" in table


def test_without_an_llm_there_is_no_section() -> None:
    assert describe_yardstick(None, "fp32 model") == []
