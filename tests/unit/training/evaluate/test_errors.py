import csv
from pathlib import Path

import numpy as np

from training.data.examples import Example, labels_of
from training.evaluate.errors import count_errors, write_errors

ROWS = [Example("right", 0), Example("unsure", 1), Example("sure", 1, source="Wire")]
PROBABILITIES = np.array([[0.99, 0.01], [0.6, 0.4], [0.95, 0.05]])


def test_errors_are_counted_with_the_confident_ones_among_them() -> None:
    counts = count_errors(PROBABILITIES, labels_of(ROWS))
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
