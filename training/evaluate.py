"""Measure a trained model on the rows it never saw, next to the baseline.

    python -m training.evaluate build/news
    python -m training.evaluate build/news --also data/headlines.csv

Writes ``evaluation.json``, ``report.md`` and its plots into the model folder. The temperature
is fitted on the validation rows; the test rows are only reported on. ``--also`` scores the
rows of a further file of the same task, such as headlines of another year.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training import baseline, data, distilbert, metrics, report
from training.atomic import replacing, write_text
from training.settings import Settings, rows_of


class StaleError(Exception):
    """The files of a model folder do not belong together; the message says what to run."""


@dataclass(frozen=True)
class Run:
    """A trained model's folder and the rows it was made with."""

    folder: Path
    record: dict[str, Any]
    dataset: data.Dataset
    rows: data.Split

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in output order."""
        return self.dataset.task.labels


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate and write the report; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="what training.train wrote")
    parser.add_argument("--also", action="append", default=[], help="a further file to score")
    options = parser.parse_args(arguments)
    try:
        evaluate(open_run(options.folder), options.also)
    except (data.DataError, StaleError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print((options.folder / "report.md").read_text())
    return 0


def open_run(folder: Path) -> Run:
    """Read how a model was made and, by that, its rows.

    Raises:
        StaleError: the folder holds no finished model, or the data file has changed.
    """
    record_file = folder / "training.json"
    if not record_file.is_file() or not (folder / "model.safetensors").is_file():
        raise StaleError(f"no trained model in {folder}: run training.train first")
    record = json.loads(record_file.read_text())
    settings = Settings(**record["settings"])
    dataset, rows = rows_of(settings)
    if dataset.sha256 != record["dataset_sha256"]:
        raise StaleError(f"{settings.data} has changed since the model was trained on it")
    return Run(folder, record, dataset, rows)


def evaluate(run: Run, also: Sequence[str] = ()) -> None:
    """Score the model and the baseline on the test rows and write what was found."""
    model, tokenizer = distilbert.load(run.folder)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)

    def logits_of(rows: Sequence[data.Example]) -> NDArray[np.float32]:
        token_ids = distilbert.encode(tokenizer, [row.text for row in rows])
        return distilbert.logits(model, token_ids, device)

    validation, test = logits_of(run.rows.validation), logits_of(run.rows.test)
    temperature = metrics.fit_temperature(validation, data.labels_of(run.rows.validation))
    truth, names = data.labels_of(run.rows.test), run.labels
    others = {}
    for location in also:
        rows = data.read(location, run.dataset.task).examples
        probabilities = metrics.softmax(logits_of(rows), temperature)
        others[Path(location).name] = metrics.summary(probabilities, data.labels_of(rows), names)
    guesses = baseline.predict(
        run.rows.train, [row.text for row in run.rows.test], run.record["settings"]["seed"]
    )
    evaluation = {
        "weights_sha256": weights_sha256(run.folder),
        "temperature": temperature,
        "uncalibrated": metrics.summary(metrics.softmax(test), truth, names),
        "fp32": metrics.summary(metrics.softmax(test, temperature), truth, names),
        "baseline": {
            "name": baseline.NAME,
            "accuracy": metrics.accuracy(guesses, truth),
            "macro_f1": metrics.macro_f1(guesses, truth, len(names)),
        },
        "also": others,
    }
    with replacing(run.folder / "predictions.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, test=test, labels=truth)
    write_text(run.folder / "evaluation.json", json.dumps(evaluation, indent=2) + "\n")
    report.plot(run.folder, metrics.softmax(test), metrics.softmax(test, temperature), truth, names)
    report.write(run.folder, run.record, evaluation)


def read_evaluation(folder: Path) -> dict[str, Any]:
    """What ``evaluate`` found for the very weights in the folder.

    Raises:
        StaleError: it was not run since the weights were written.
    """
    file = folder / "evaluation.json"
    evaluation: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    if evaluation.get("weights_sha256") != weights_sha256(folder):
        raise StaleError(f"the model in {folder} is not evaluated: run training.evaluate {folder}")
    return evaluation


def weights_sha256(folder: Path) -> str:
    """The digest of a model's weights."""
    with (folder / "model.safetensors").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
