"""Measure a model that may give a text several labels, next to the baseline."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.model.store import fetch
from training import multi_label
from training.atomic import require_writable
from training.data.examples import DataError, clusters_of, list_labels, multi_hot
from training.evaluate import confusion
from training.evaluate.fp32 import Fp32Model
from training.evaluate.further import FurtherFile, FurtherFiles, read_files
from training.evaluate.multi_label import (
    baseline,
    calibration,
    elsewhere,
    plots,
    report,
    summary,
)
from training.evaluate.multi_label.baseline import Baseline
from training.evaluate.multi_label.calibration import Source
from training.evaluate.multi_label.elsewhere import FurtherOutputs
from training.evaluate.multi_label.errors import ERRORS, count_errors, write_errors
from training.evaluate.multi_label.results import (
    BaselineMetrics,
    Comparison,
    LabelChoice,
    ModelSummary,
    MultiLabelEvaluation,
    PreviousComparison,
    Summary,
)
from training.evaluate.multi_label.usefulness import measure_usefulness
from training.evaluate.predictions import FETCH_SECONDS, HeldOutPredictions, answer_rows
from training.evaluate.report import RELIABILITY_PLOT
from training.evaluate.results import RepeatCounts, Repeats
from training.fit.record import TrainingRecord, hash_weights, require_same_rows
from training.fit.trained_model import TrainedModel, replacing_evaluation
from training.labels.conflicts import count_conflicts

Logits = NDArray[np.float32]
LABELS = "labels.csv"


def evaluate(
    model: TrainedModel, further: FurtherFiles, previous: str | None
) -> MultiLabelEvaluation:
    """Evaluate a model and the baseline on the test rows; write the results and the report.

    Args:
        model: the model; thresholds are chosen on the validation rows, and temperatures on these
            and half of the rows of each file to calibrate on.
        further: further files of texts with the same labels.
        previous: the URI of a published bundle to compare with on the same test rows.

    Raises:
        OutputError: the folder cannot be written.
        DataError: a further file cannot be used, or the bundle held out other rows.
        StoreError: the bundle cannot be fetched.
    """
    require_writable(model.folder)
    files = read_files(further, model)
    for file in files:
        print(file.reading, file=sys.stderr)
        _require_labels(file)
    rows = model.rows
    published = _answer_with_published(previous, model) if previous else None

    linear = baseline.fit(
        model.dataset.task, rows.train, rows.validation, model.record.settings.seed
    )
    fp32 = Fp32Model(model.folder)
    validation = Source.of("validation rows", fp32.compute_logits(rows.validation), rows.validation)
    outputs = [
        FurtherOutputs.collect(file, fp32.compute_logits(file.rows), linear) for file in files
    ]
    fitted = calibration.fit(
        validation, [each.for_calibration for each in outputs for _ in range(each.file.times)]
    )
    choices = choose(fitted.temperatures, validation, model.labels)
    logits = fp32.compute_logits(rows.test)
    evaluation = _measure(model, choices, logits, linear)
    if published is not None:
        version, answers = published
        of_model = _decide(logits, evaluation)[1]
        compared = summary.compare(
            of_model, answers, multi_hot(rows.test, len(model.labels)), clusters_of(rows.test)
        )
        compared_with = PreviousComparison(**dict(compared), version=version)
        evaluation = evaluation.model_copy(update={"previous": compared_with})
    tests = [Source.of("test rows", logits, rows.test), *(each.for_test for each in outputs)]
    evaluation = evaluation.model_copy(
        update={
            "also": {each.file.name: each.measure(choices) for each in outputs},
            "calibration": tuple(fitted.compare(tests)),
        }
    )
    _write(model, evaluation, logits, linear, outputs)
    return evaluation


def _require_labels(file: FurtherFile) -> None:
    """Refuse a file to calibrate on without any label, which says nothing about probabilities.

    Raises:
        DataError: none of its rows to calibrate on has a label.
    """
    used = [row for row, chosen in zip(file.rows, file.for_calibration, strict=True) if chosen]
    if used and not any(map(list_labels, used)):
        raise DataError(
            f"{file.name}: none of the {len(used):,} rows to calibrate on has a label: leave "
            "--calibrate-on out, or measure it with --also"
        )


def choose(
    temperatures: Sequence[float], validation: Source, names: Sequence[str]
) -> dict[str, LabelChoice]:
    """Choose a threshold for each label, on validation rows, for probabilities at temperatures."""
    labels = validation.labels
    probabilities = multi_label.sigmoid(validation.logits, temperatures)
    thresholds = multi_label.choose_thresholds(probabilities, labels)
    return {
        name: LabelChoice(temperature=temperature, threshold=threshold, validation_rows=int(count))
        for name, temperature, threshold, count in zip(
            names, temperatures, thresholds, labels.sum(axis=0), strict=True
        )
    }


def _answer_with_published(uri: str, model: TrainedModel) -> tuple[str, multi_label.Answers]:
    """Return the version of a published bundle, and its labels for the test rows."""
    with tempfile.TemporaryDirectory() as cache:
        bundle = fetch(uri, Path(cache), FETCH_SECONDS)
        require_same_rows(model.record, TrainingRecord.of_bundle(bundle.manifest, bundle.version))
        return bundle.version, answer_rows(bundle, model.rows.test)[1]


def _decide(
    logits: Logits, evaluation: MultiLabelEvaluation
) -> tuple[NDArray[np.float64], multi_label.Answers]:
    """Return the probabilities of some rows, and the labels that they get."""
    probabilities = multi_label.sigmoid(logits, evaluation.temperatures)
    return probabilities, multi_label.decide(probabilities, evaluation.thresholds)


def _measure(
    model: TrainedModel, choices: dict[str, LabelChoice], logits: Logits, linear: Baseline
) -> MultiLabelEvaluation:
    rows, names = model.rows.test, model.labels
    labels, clusters = multi_hot(rows, len(names)), clusters_of(rows)
    texts = [row.text for row in rows]
    scores, guesses = linear.score(texts), linear.predict(texts)
    probabilities = multi_label.sigmoid(logits, [each.temperature for each in choices.values()])
    answers = multi_label.decide(probabilities, [each.threshold for each in choices.values()])
    before = multi_label.sigmoid(logits)
    plain = multi_label.decide(before, [multi_label.THRESHOLD] * len(names))
    return MultiLabelEvaluation(
        weights_sha256=hash_weights(model.folder),
        choices=choices,
        uncalibrated=summary.summarise(before, plain, labels, names, clusters),
        fp32=_add_comparison(
            summary.summarise(probabilities, answers, labels, names, clusters),
            summary.compare(answers, guesses, labels, clusters),
        ),
        baseline=BaselineMetrics(
            **dict(summary.measure(guesses, scores, labels, clusters)), name=linear.name
        ),
        previous=None,
        groups=len(np.unique(clusters)),
        errors=count_errors(answers, labels),
        repeats=Repeats(
            file=RepeatCounts.model_validate(count_conflicts(model.dataset.examples)),
            test=RepeatCounts.model_validate(count_conflicts(rows)),
        ),
        also={},
        usefulness=measure_usefulness(model, answers, guesses, linear.name),
        calibration_rows=len(model.rows.validation),
    )


def _add_comparison(measured: Summary, comparison: Comparison) -> ModelSummary:
    return ModelSummary(**dict(measured), against_baseline=comparison)


def _write(
    model: TrainedModel,
    evaluation: MultiLabelEvaluation,
    logits: Logits,
    linear: Baseline,
    further: Sequence[FurtherOutputs],
) -> None:
    """Write everything into the model folder, or nothing if it cannot all be written."""
    rows = model.rows.test
    guesses = linear.predict([row.text for row in rows])
    probabilities, answers = _decide(logits, evaluation)
    labels = multi_hot(rows, len(model.labels))
    with replacing_evaluation(model.folder) as folder:
        HeldOutPredictions(logits, guesses.astype(np.int64)).write(folder)
        elsewhere.write_rows(folder, further)
        write_errors(folder / ERRORS, rows, probabilities, answers, guesses, model.labels)
        confusion.write_label_metrics(folder / LABELS, evaluation.fp32.per_label)
        plots.plot_reliability(
            folder / RELIABILITY_PLOT, multi_label.sigmoid(logits), probabilities, labels
        )
        evaluation.write(folder)
        report.write_report(folder, model.record, evaluation)
