"""The errors a model makes: how many, and a list of those it is most confident in."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.atomic import replacing
from training.data.examples import Example, labels_of
from training.evaluate.results import ErrorCounts
from training.metrics import Labels, Probabilities

CONFIDENT = 0.9
LISTED_ERRORS = 50
COLUMNS = ("confidence", "predicted", "label", "baseline", "source", "group", "text")


def count_errors(probabilities: Probabilities, labels: Labels) -> ErrorCounts:
    """Count the errors, and the confident ones among them."""
    confidence = probabilities.max(axis=1)[probabilities.argmax(axis=1) != labels]
    confident = int((confidence >= CONFIDENT).sum())
    return ErrorCounts(texts=len(confidence), confidence=CONFIDENT, confident=confident)


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
