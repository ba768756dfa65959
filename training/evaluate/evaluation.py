"""Measure a trained model on rows it has never seen, next to the baseline."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.model.store import fetch
from training import metrics
from training.atomic import require_writable
from training.data.examples import Example, clusters_of, cut_long_texts, labels_of
from training.data.read import read
from training.evaluate import baseline, confusion, plots, report, summary
from training.evaluate.errors import count_errors, write_errors
from training.evaluate.fp32 import Fp32Model
from training.evaluate.intervals import measure_difference
from training.evaluate.predictions import FETCH_SECONDS, HeldOutPredictions, predict_rows
from training.evaluate.results import (
    BaselineMetrics,
    Evaluation,
    ModelSummary,
    PreviousComparison,
    RepeatCounts,
    Repeats,
    Summary,
)
from training.evaluate.slices import measure_slices
from training.evaluate.usefulness import measure_usefulness
from training.fit.record import TrainingRecord, hash_weights, require_same_rows
from training.fit.trained_model import TrainedModel, replacing_evaluation
from training.labels.conflicts import count_conflicts
from training.metrics import Labels, Probabilities

ERRORS = "errors.csv"


def evaluate(
    model: TrainedModel, also: Sequence[str] = (), previous: str | None = None
) -> Evaluation:
    """Evaluate a model and the baseline on the test rows; write the results and the report.

    The model folder gets `evaluation.json`, `report.md` with its plots, `errors.csv`, and the
    predictions that `export` compares the bundle with.

    Args:
        model: the model; its temperature is fitted on the validation rows.
        also: further files of the same task to evaluate the model on.
        previous: the URI of a published bundle to compare with on the same test rows.

    Raises:
        OutputError: the folder cannot be written.
        DataError: a further file cannot be read, or the bundle held out other rows.
        StoreError: the bundle cannot be fetched.
    """
    # First what may fail for reasons outside the model: the rest can take an hour.
    require_writable(model.folder)
    further = {name_further(file, also): _read_further(file, model) for file in also}
    published = _predict_with_published(previous, model) if previous else None

    fp32 = Fp32Model(model.folder)
    validation = model.rows.validation
    temperature = metrics.fit_temperature(fp32.compute_logits(validation), labels_of(validation))
    linear = baseline.fit(
        model.dataset.task, model.rows.train, validation, model.record.settings.seed
    )
    guesses = linear.predict([row.text for row in model.rows.test])
    test = HeldOutPredictions(fp32.compute_logits(model.rows.test), guesses)
    summaries = {
        name: _summarise(metrics.softmax(fp32.compute_logits(rows), temperature), rows, model)
        for name, rows in further.items()
    }
    evaluation = _measure(model, temperature, test, linear.name, published, summaries)
    _write(model, test, evaluation)
    return evaluation


@dataclass(frozen=True)
class _Published:
    """What a published bundle predicts for the test rows."""

    version: str
    predicted: Labels


def _predict_with_published(uri: str, model: TrainedModel) -> _Published:
    with tempfile.TemporaryDirectory() as cache:
        bundle = fetch(uri, Path(cache), FETCH_SECONDS)
        require_same_rows(model.record, TrainingRecord.model_validate(bundle.manifest.training))
        return _Published(bundle.version, predict_rows(bundle, model.rows.test).argmax(axis=1))


def name_further(file: str, files: Sequence[str]) -> str:
    """Name a further file: without its folder, unless that makes two of them alike."""
    name = Path(file).name
    return name if [Path(other).name for other in files].count(name) == 1 else file


def _read_further(file: str, model: TrainedModel) -> list[Example]:
    """Read the rows of a further file.

    Raises:
        DataError: it is not one of the model's task.
    """
    dataset = read(file, model.dataset.task)
    return cut_long_texts(dataset).examples


def _measure(
    model: TrainedModel,
    temperature: float,
    test: HeldOutPredictions,
    baseline_name: str,
    published: _Published | None,
    also: dict[str, Summary],
) -> Evaluation:
    rows, labels, clusters = (
        model.rows.test,
        labels_of(model.rows.test),
        clusters_of(model.rows.test),
    )
    probabilities = metrics.softmax(test.logits, temperature)
    right = probabilities.argmax(axis=1) == labels
    baseline_right = test.baseline == labels
    previous = None
    if published:
        comparison = measure_difference(right, published.predicted == labels, clusters)
        previous = PreviousComparison(**dict(comparison), version=published.version)
    return Evaluation(
        weights_sha256=hash_weights(model.folder),
        temperature=temperature,
        uncalibrated=_summarise(metrics.softmax(test.logits), rows, model),
        fp32=ModelSummary(
            **dict(_summarise(probabilities, rows, model)),
            against_baseline=measure_difference(right, baseline_right, clusters),
        ),
        baseline=BaselineMetrics(
            **dict(summary.measure(test.baseline, labels, len(model.labels), clusters)),
            name=baseline_name,
        ),
        previous=previous,
        groups=len(np.unique(clusters)),
        slices=measure_slices(rows, model.rows.train, right, baseline_right),
        errors=count_errors(probabilities, labels),
        repeats=Repeats(
            file=RepeatCounts.model_validate(count_conflicts(model.dataset.examples)),
            test=RepeatCounts.model_validate(count_conflicts(rows)),
        ),
        also=also,
        usefulness=measure_usefulness(
            model, probabilities.argmax(axis=1), test.baseline, baseline_name
        ),
        calibration_rows=len(model.rows.validation),
    )


def _summarise(
    probabilities: Probabilities, rows: Sequence[Example], model: TrainedModel
) -> Summary:
    return summary.summarise(probabilities, labels_of(rows), model.labels, clusters_of(rows))


def _write(model: TrainedModel, test: HeldOutPredictions, evaluation: Evaluation) -> None:
    """Write everything into the model folder, or nothing if it cannot all be written."""
    rows = model.rows.test
    probabilities = metrics.softmax(test.logits, evaluation.temperature)
    with replacing_evaluation(model.folder) as folder:
        test.write(folder)
        write_errors(folder / ERRORS, rows, probabilities, test.baseline, model.labels)
        confusion.write_confusions(folder / report.CONFUSIONS, evaluation.fp32)
        confusion.write_labels(folder / report.LABELS, evaluation.fp32)
        matrix = evaluation.fp32.confusion
        plots.plot_confusion(folder / report.CONFUSION_PLOT, matrix, model.labels)
        plots.plot_reliability(
            folder / report.RELIABILITY_PLOT,
            metrics.softmax(test.logits),
            probabilities,
            labels_of(rows),
        )
        evaluation.write(folder)
        report.write_report(folder, model.record, evaluation)
