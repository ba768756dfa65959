"""Measure a trained model on the rows it never saw, next to the baseline.

    python -m training.evaluate.evaluation build/news
    python -m training.evaluate.evaluation build/news --also data/headlines.csv
    python -m training.evaluate.evaluation build/news --previous s3://my-models/news/VERSION

Writes ``evaluation.json``, ``report.md`` and its plots into the model folder. The temperature
is fitted on the validation rows; the test rows are only reported on. ``--also`` scores the
rows of a further file of the same task, such as headlines of another year; ``--previous`` a
published bundle on the same test rows. ``errors.csv`` lists the errors the model was most sure
of; as it quotes the data, it stays out of the report.
"""

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inference.model.bundle import BundleError
from inference.model.store import StoreError, fetch
from training.atomic import replacing, write_text
from training.data.examples import DataError, Dataset, Example, clusters_of, labels_of
from training.data.read import read
from training.data.split import Split
from training.evaluate import baseline, metrics, report, slices
from training.evaluate import head_to_head as compare
from training.fit import distilbert
from training.fit.record import read_record, require_same_rows, weights_sha256
from training.fit.settings import Settings, rows_of
from training.labels.conflicts import repeats

CONFIDENT = 0.9
LISTED_ERRORS = 50


class StaleError(Exception):
    """The files of a model folder do not belong together; the message says what to run."""


@dataclass(frozen=True)
class Run:
    """A trained model's folder and the rows it was made with."""

    folder: Path
    record: dict[str, Any]
    dataset: Dataset
    rows: Split

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in output order."""
        return self.dataset.task.labels


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate and write the report; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate.evaluation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="what training.fit.train wrote")
    parser.add_argument("--also", action="append", default=[], help="a further file to score")
    parser.add_argument("--previous", metavar="URI", help="a published bundle to do better than")
    options = parser.parse_args(arguments)
    try:
        evaluate(open_run(options.folder), options.also, options.previous)
    except (BundleError, StoreError, DataError, StaleError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print((options.folder / "report.md").read_text())
    return 0


def open_run(folder: Path) -> Run:
    """Read how a model was made and, by that, its rows.

    Raises:
        DataError: the folder holds no finished model, or its data cannot be read.
        StaleError: the data file has changed.
    """
    record = read_record(folder)
    settings = Settings(**record["settings"])
    dataset, rows = rows_of(settings)
    if dataset.sha256 != record["dataset_sha256"]:
        raise StaleError(f"{settings.data} has changed since the model was trained on it")
    return Run(folder, record, dataset, rows)


def evaluate(run: Run, also: Sequence[str] = (), previous: str | None = None) -> None:
    """Score the model and the baseline on the test rows and write what was found.

    Raises:
        DataError: a further file cannot be read, or the previous bundle held out other rows.
        StoreError: the previous bundle cannot be had.
    """
    rows, names = run.rows.test, run.labels
    truth, clusters = labels_of(rows), clusters_of(rows)
    published = score_published(previous, run) if previous else None  # first: it may fail

    model, tokenizer = distilbert.load(run.folder)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)

    def logits_of(examples: Sequence[Example]) -> NDArray[np.float32]:
        token_ids = distilbert.encode(tokenizer, [example.text for example in examples])
        return distilbert.logits(model, token_ids, device)

    validation, test = logits_of(run.rows.validation), logits_of(rows)
    temperature = metrics.fit_temperature(validation, labels_of(run.rows.validation))
    probabilities = metrics.softmax(test, temperature)
    others = {}
    for location in also:
        examples = read(location, run.dataset.task).examples
        others[Path(location).name] = metrics.summary(
            metrics.softmax(logits_of(examples), temperature),
            labels_of(examples),
            names,
            clusters_of(examples),
        )
    guesses = baseline.predict(
        run.dataset.task,
        run.rows.train,
        [row.text for row in rows],
        run.record["settings"]["seed"],
    )
    right, guessed_right = probabilities.argmax(axis=1) == truth, guesses == truth
    evaluation = {
        "weights_sha256": weights_sha256(run.folder),
        "temperature": temperature,
        "uncalibrated": metrics.summary(metrics.softmax(test), truth, names, clusters),
        "fp32": {
            **metrics.summary(probabilities, truth, names, clusters),
            "against_baseline": metrics.paired(right, guessed_right, clusters),
        },
        "baseline": {
            "name": run.dataset.task.baseline,
            **metrics.scores(guesses, truth, len(names), clusters),
        },
        "previous": published
        and {"version": published[0], **metrics.paired(right, published[1], clusters)},
        "groups": len(set(clusters.tolist())),
        "slices": slices.by_slice(rows, run.rows.train, right, guessed_right),
        "errors": {
            "texts": int((~right).sum()),
            "confidence": CONFIDENT,
            "confident": int((~right & (probabilities.max(axis=1) >= CONFIDENT)).sum()),
        },
        "repeats": {"file": repeats(run.dataset.examples), "test": repeats(rows)},
        "also": others,
    }
    with replacing(run.folder / "predictions.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, test=test, labels=truth, baseline=guesses)
    write_errors(run.folder / "errors.csv", rows, probabilities, guesses, names)
    write_text(run.folder / "evaluation.json", json.dumps(evaluation, indent=2) + "\n")
    report.plot(run.folder, metrics.softmax(test), probabilities, truth, names)
    report.write(run.folder, run.record, evaluation)


def score_published(uri: str, run: Run) -> tuple[str, NDArray[np.bool_]]:
    """A published bundle's version, and which of the test rows it is right about.

    Raises:
        DataError: it was not trained with the same rows held out.
        StoreError: it cannot be had.
    """
    with tempfile.TemporaryDirectory() as cache:
        bundle = fetch(uri, Path(cache), compare.PULL_SECONDS)
        require_same_rows(run.record, bundle.manifest.training)
        probabilities = compare.predict(bundle, run.rows.test)
    return bundle.version, probabilities.argmax(axis=1) == labels_of(run.rows.test)


def write_errors(
    path: Path,
    rows: Sequence[Example],
    probabilities: metrics.Probabilities,
    guesses: NDArray[np.int64],
    names: Sequence[str],
) -> None:
    """Write the errors that the model was most sure of, the surest first."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels_of(rows))
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:LISTED_ERRORS]
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("confidence", "predicted", "label", "baseline", "source", "group", "text"))
        for index in surest.tolist():
            row = rows[index]
            labels = [names[number] for number in (predicted[index], row.label, guesses[index])]
            table.writerow((f"{confidence[index]:.4f}", *labels, row.source, row.group, row.text))


def read_evaluation(folder: Path) -> dict[str, Any]:
    """What ``evaluate`` found for the very weights in the folder.

    Raises:
        StaleError: it was not run since the weights were written.
    """
    file = folder / "evaluation.json"
    evaluation: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    if evaluation.get("weights_sha256") != weights_sha256(folder):
        raise StaleError(
            f"the model in {folder} is not evaluated: run training.evaluate.evaluation {folder}"
        )
    return evaluation


if __name__ == "__main__":
    sys.exit(main())
