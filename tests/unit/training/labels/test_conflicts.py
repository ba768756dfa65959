from training.data.examples import Example
from training.labels.conflicts import count_conflicts


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
