import csv
from pathlib import Path

import numpy as np

from training.data.examples import UNLABELLED, Example
from training.evaluate.multi_label.errors import count_errors, write_errors

ROWS = [Example(text, UNLABELLED, labels=labels) for text, labels in (("x", (0,)), ("y", (1,)))]
LABELS = np.array([[True, False], [False, True]])
ANSWERS = np.array([[True, True], [False, False]])


def test_missing_and_wrong_labels_are_counted_apart() -> None:
    found = count_errors(ANSWERS, LABELS)
    assert (found.texts, found.missing, found.wrong) == (2, 1, 1)


def test_the_surest_errors_come_first(tmp_path: Path) -> None:
    # GIVEN a text with a wrong label of 0.7, and one that lacks a label of 0.05
    probabilities = np.array([[0.9, 0.7], [0.1, 0.05]])
    # WHEN the errors are written
    file = tmp_path / "errors.csv"
    write_errors(file, ROWS, probabilities, ANSWERS, LABELS, ("a", "b"))
    # THEN the second comes first, since the model was surer of it
    with file.open(encoding="utf-8", newline="") as opened:
        first, second = csv.DictReader(opened)
    assert (first["text"], first["probability"], first["missing"]) == ("y", "0.9500", "b")
    assert (second["text"], second["wrong"], second["labels"]) == ("x", "b", "a")


def test_texts_without_an_error_are_not_listed(tmp_path: Path) -> None:
    file = tmp_path / "errors.csv"
    write_errors(file, ROWS, LABELS.astype(float), LABELS, LABELS, ("a", "b"))
    assert len(file.read_text().splitlines()) == 1
