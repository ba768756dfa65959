"""Two bundles, or a bundle and a model, on the very rows that both of them held out."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from inference.model.classifier import Classifier, Prediction
from inference.model.store import Bundle, fetch
from training.data.examples import DataError, Example, clusters_of, labels_of
from training.data.split import Split
from training.evaluate import metrics, report, slices
from training.fit.record import ROW_SETTINGS, require_same_rows
from training.fit.settings import Settings, rows_of

PULL_SECONDS = 600.0


def compare(uri: str, other_uri: str, location: str, new_rows: str = "") -> str:
    """How the first bundle does next to the other one on the test rows of a data file.

    ``new_rows`` is the folder of those that were joined to it for training.

    Raises:
        StoreError: a bundle cannot be had.
        DataError: the file is not the one they were trained on, or each held out other rows.
    """
    with tempfile.TemporaryDirectory() as cache:
        bundle, other = (fetch(each, Path(cache), PULL_SECONDS) for each in (uri, other_uri))
        require_same_rows(bundle.manifest.training, other.manifest.training)
        rows = held_out(bundle.manifest.training, location, new_rows)
        names = [f"{each.manifest.task} {each.version}" for each in (bundle, other)]
        found, other_found = (predict(each, rows.test) for each in (bundle, other))
    truth, clusters = labels_of(rows.test), clusters_of(rows.test)
    labels = bundle.manifest.labels
    right = found.argmax(axis=1) == truth
    other_right = other_found.argmax(axis=1) == truth
    agreement = (found.argmax(axis=1) == other_found.argmax(axis=1)).mean()
    return "\n\n".join(
        [
            f"{len(truth):,} test rows of {Path(location).name} in {len(set(clusters)):,} groups; "
            f"the two give {agreement:.2%} of them the same label.",
            report.models_table(
                [
                    (name, metrics.summary(probabilities, truth, labels, clusters))
                    for name, probabilities in zip(names, (found, other_found), strict=True)
                ]
            ),
            report.differences_table(
                [(" against ".join(names), metrics.paired(right, other_right, clusters))]
            ),
            report.slices_table(
                slices.by_slice(rows.test, rows.train, right, other_right), names[0], names[1]
            ),
        ]
    )


def held_out(training: Mapping[str, Any], location: str, new_rows: str = "") -> Split:
    """The rows of a data file, split as they were for the model with this training record.

    ``new_rows`` is the folder of those that were joined to it for training.

    Raises:
        DataError: it is another file, or its labels or split are others now.
    """
    settings = {name: training["settings"][name] for name in ROW_SETTINGS}
    settings |= {"data": location, "new_rows": new_rows, "split": training["split"]}
    dataset, rows = rows_of(Settings(output="", **settings))
    if dataset.sha256 != training["dataset_sha256"]:
        joined = training.get("new_rows", 0)
        others = f", or --new-rows not the {joined:,} joined to it" if joined or new_rows else ""
        raise DataError(f"{location} is not the file the model was trained on{others}")
    labels, texts = list(dataset.task.labels), len(rows.test)
    if labels != training["labels"] or texts != training["rows"]["test"]:
        raise DataError(f"{location} is read otherwise than when the model was trained")
    return rows


def predict(bundle: Bundle, rows: Sequence[Example]) -> metrics.Probabilities:
    """A bundle's probabilities for rows, shape (rows, labels)."""
    classifier = Classifier(bundle.folder, bundle.manifest)
    return probabilities_of(classify(classifier, [row.text for row in rows], bundle.version))


def classify(
    classifier: Classifier, texts: Sequence[str], name: str, chunk: int = 1000
) -> list[Prediction]:
    """The answers of the classifier that serves, under a progress bar of this name."""
    starts = tqdm(range(0, len(texts), chunk), name, unit_scale=chunk, leave=False)
    return [p for start in starts for p in classifier.predict(texts[start : start + chunk])]


def probabilities_of(predictions: Sequence[Prediction]) -> metrics.Probabilities:
    """The probabilities of predictions, shape (texts, labels)."""
    return np.array([list(prediction.probabilities.values()) for prediction in predictions])
