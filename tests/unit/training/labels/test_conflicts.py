from training.data.examples import Example
from training.labels.conflicts import (
    count_conflicts,
    find_labels_of_groups,
    find_labels_of_texts,
)


def test_repeated_texts_and_conflicting_labels_are_counted() -> None:
    # GIVEN one text three times with two labels, one twice with one label, and one once
    rows = [Example("Same", 0), Example("same!", 0), Example("SAME", 1)]
    rows += [Example("Twice", 0), Example("Twice", 0), Example("Once", 1)]
    # WHEN they are counted THEN one row cannot be right together with the others
    assert count_conflicts(rows) == {
        "rows": 6,
        "texts": 3,
        "conflicting_texts": 1,
        "conflicting_rows": 3,
        "outvoted_rows": 1,
    }


def test_the_labels_of_a_text_are_those_of_all_its_rows() -> None:
    # GIVEN a text with two labels in a data set, and one with one
    examples = [Example("Same", 0), Example("SAME!", 2), Example("Once", 1)]
    # WHEN their labels are looked up THEN case and punctuation make no difference
    assert find_labels_of_texts(examples[1:], examples) == [{0, 2}, {1}]


def test_the_labels_of_a_group_are_those_that_its_texts_have_anywhere() -> None:
    # GIVEN a story that is listed twice, under two labels, with one headline in common
    examples = [
        *(Example("Shared", 0, group="s"), Example("One", 0, group="s")),
        *(Example("SHARED!", 1, group="t"), Example("Two", 1, group="t")),
        *(Example("Other", 1, group="u"), Example("Shared", 0)),
    ]
    # WHEN their labels are looked up THEN both have both, and a row without a story has none
    expected = [{0, 1}] * 4 + [{1}, set()]
    assert find_labels_of_groups(examples, examples) == expected
