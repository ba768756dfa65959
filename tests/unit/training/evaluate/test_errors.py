import csv
from pathlib import Path

import numpy as np

from training.data.examples import Example
from training.evaluate.errors import count_errors, measure_noise, write_errors

ROWS = [Example("right", 0), Example("unsure", 1), Example("sure", 1, source="Wire")]
PROBABILITIES = np.array([[0.99, 0.01], [0.6, 0.4], [0.95, 0.05]])


def test_errors_are_counted_with_the_confident_ones_among_them() -> None:
    counts = count_errors(PROBABILITIES, ROWS, ROWS)
    assert (counts.texts, counts.confident, counts.confidence) == (2, 1, 0.9)


def test_errors_are_listed_with_the_most_confident_first(tmp_path: Path) -> None:
    # GIVEN predictions, two of which are wrong WHEN the errors are listed
    write_errors(tmp_path / "errors.csv", ROWS, PROBABILITIES, np.array([0, 0, 1]), ["no", "yes"])
    with (tmp_path / "errors.csv").open(newline="") as file:
        errors = list(csv.DictReader(file))
    # THEN they come by confidence, with both models' labels and the row
    assert [error["text"] for error in errors] == ["sure", "unsure"]
    assert errors[0] == {
        "confidence": "0.9500",
        "predicted": "no",
        "label": "yes",
        "baseline": "yes",
        "source": "Wire",
        "group": "",
        "text": "sure",
    }


def test_errors_that_the_labels_explain_are_counted() -> None:
    # GIVEN errors on a text of two labels, on one whose other label is a third, in a story with
    # rows of several labels, and on a text that nothing explains
    errors = [
        Example("Two labels", 0),
        Example("Others", 0),
        Example("Cross-listed", 0, group="s"),
        Example("Plain", 0, group="t"),
    ]
    others = [
        *(Example("two labels!", 1), Example("OTHERS", 2)),
        *(Example("In the same story", 1, group="s"), Example("In another", 0, group="t")),
    ]
    # WHEN the model gives all of them the second label
    counts = count_errors(np.tile([0.1, 0.9, 0.0], (4, 1)), errors, errors + others)
    noise = counts.noise
    # THEN two have conflicting texts, one of them as the model says, and one has a mixed story
    assert counts.texts == 4
    assert noise is not None
    assert (noise.conflicting_errors, noise.predicted_conflicts, noise.mixed_errors) == (2, 1, 1)
    # AND rows that are right count as rows of these kinds, not as errors
    right = measure_noise(np.zeros(4, int), errors, errors + others)
    assert (right.errors, right.conflicting_rows, right.mixed_rows) == (0, 2, 1)
    assert (right.conflicting_errors, right.predicted_conflicts, right.mixed_errors) == (0, 0, 0)
