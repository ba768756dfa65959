"""The errors a model makes: how many, and a list of those it is most confident in."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.atomic import replacing
from training.data.examples import Example, labels_of
from training.evaluate.results import ErrorCounts, LabelNoise
from training.labels.conflicts import find_labels_of_groups, find_labels_of_texts
from training.metrics import Labels, Probabilities

CONFIDENT = 0.9
LISTED_ERRORS = 50
COLUMNS = ("confidence", "predicted", "label", "baseline", "source", "group", "text")


def count_errors(
    probabilities: Probabilities, rows: Sequence[Example], examples: Sequence[Example]
) -> ErrorCounts:
    """Count the errors, the confident ones among them, and those that the labels explain.

    Args:
        probabilities: of the rows.
        rows: the test rows.
        examples: all rows of the data set.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = predicted != labels_of(rows)
    return ErrorCounts(
        texts=int(wrong.sum()),
        confidence=CONFIDENT,
        confident=int((confidence[wrong] >= CONFIDENT).sum()),
        noise=measure_noise(predicted, rows, examples),
    )


def measure_noise(
    predicted: Labels, rows: Sequence[Example], examples: Sequence[Example]
) -> LabelNoise:
    """Count the rows and errors whose text, or group, has several labels in the data set."""
    wrong = predicted != labels_of(rows)
    of_text = find_labels_of_texts(rows, examples)
    conflicting = np.array([len(labels) > 1 for labels in of_text], bool)
    mixed = np.array([len(labels) > 1 for labels in find_labels_of_groups(rows, examples)], bool)
    mixed &= ~conflicting
    pairs = zip(predicted.tolist(), of_text, strict=True)
    elsewhere = np.array([label in labels for label, labels in pairs], bool)
    return LabelNoise(
        rows=len(rows),
        errors=int(wrong.sum()),
        conflicting_rows=int(conflicting.sum()),
        conflicting_errors=int((conflicting & wrong).sum()),
        predicted_conflicts=int((elsewhere & wrong).sum()),
        mixed_rows=int(mixed.sum()),
        mixed_errors=int((mixed & wrong).sum()),
    )


def write_errors(
    path: Path,
    rows: Sequence[Example],
    probabilities: Probabilities,
    guesses: NDArray[np.int64],
    names: Sequence[str],
) -> None:
    """Write the errors that the model is most confident in, the most confident first."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels_of(rows))
    listed = wrong[np.argsort(-confidence[wrong], kind="stable")][:LISTED_ERRORS]
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for index in listed.tolist():
            row = rows[index]
            labels = [names[number] for number in (predicted[index], row.label, guesses[index])]
            writer.writerow((f"{confidence[index]:.4f}", *labels, row.source, row.group, row.text))
