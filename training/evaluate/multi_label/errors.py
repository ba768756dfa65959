"""The errors of a model that may give a text several labels: how many, and the surest of them."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.atomic import replacing
from training.data.examples import Example
from training.evaluate.multi_label.results import ErrorCounts
from training.metrics import Probabilities
from training.multi_label import Answers

ERRORS = "errors.csv"
LISTED = 50
COLUMNS = ("probability", "missing", "wrong", "labels", "baseline", "source", "group", "text")
JOIN = "; "


def count_errors(answers: Answers, labels: Answers) -> ErrorCounts:
    """Count the texts with an error, and the labels that are missing or wrong."""
    return ErrorCounts(
        texts=int((answers != labels).any(axis=1).sum()),
        missing=int((labels & ~answers).sum()),
        wrong=int((answers & ~labels).sum()),
    )


def write_errors(
    path: Path,
    rows: Sequence[Example],
    probabilities: Probabilities,
    answers: Answers,
    guesses: Answers,
    names: Sequence[str],
) -> None:
    """Write the errors that the model is surest of, by its probability for its worst decision."""
    labels = np.zeros_like(answers)
    for number, row in enumerate(rows):
        labels[number, list(row.labels or ())] = True
    wrong = answers != labels
    surest = np.where(wrong, np.where(answers, probabilities, 1 - probabilities), 0).max(axis=1)
    listed = np.argsort(-surest, kind="stable")[: min(LISTED, int(wrong.any(axis=1).sum()))]
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in listed.tolist():
            row = rows[number]
            sets = (
                labels[number] & ~answers[number],
                answers[number] & ~labels[number],
                labels[number],
                guesses[number],
            )
            joined = [_join(each.tolist(), names) for each in sets]
            writer.writerow((f"{surest[number]:.4f}", *joined, row.source, row.group, row.text))


def _join(answers: Sequence[bool], names: Sequence[str]) -> str:
    return JOIN.join(name for name, applies in zip(names, answers, strict=True) if applies)
