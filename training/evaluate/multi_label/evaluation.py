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
from training.data.examples import DataError, Example, clusters_of, multi_hot
from training.evaluate import confusion
from training.evaluate.fp32 import Fp32Model
from training.evaluate.further import FurtherFile, FurtherFiles, read_files
from training.evaluate.multi_label import baseline, plots, report, summary
from training.evaluate.multi_label.baseline import Baseline
from training.evaluate.multi_label.errors import ERRORS, count_errors, write_errors
from training.evaluate.multi_label.results import (
    BaselineMetrics,
    Comparison,
    FurtherSummary,
    LabelChoice,
    ModelSummary,
    MultiLabelEvaluation,
    PreviousComparison,
    Summary,
)
from training.evaluate.multi_label.usefulness import measure_usefulness
from training.evaluate.predictions import FETCH_SECONDS, HeldOutPredictions, answer_rows
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
        model: the model; temperatures and thresholds are chosen on the validation rows.
        further: further files of texts with the same labels, to measure on.
        previous: the URI of a published bundle to compare with on the same test rows.

    Raises:
        OutputError: the folder cannot be written.
        DataError: a further file cannot be used, or the bundle held out other rows.
        StoreError: the bundle cannot be fetched.
    """
    if further.calibrate_on:
        raise DataError(
            "--calibrate-on is for models that give each text one label: the temperatures of this "
            "one are fitted label by label on its validation rows. --also measures it on a file"
        )
    require_writable(model.folder)
    files = read_files(further, model)
    for file in files:
        print(file.reading, file=sys.stderr)
    rows = model.rows
    published = _answer_with_published(previous, model) if previous else None

    fp32 = Fp32Model(model.folder)
    choices = choose(fp32.compute_logits(rows.validation), rows.validation, model.labels)
    linear = baseline.fit(
        model.dataset.task, rows.train, rows.validation, model.record.settings.seed
    )
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
    also = {
        file.name: _measure_further(file, evaluation, fp32.compute_logits(file.rows), linear)
        for file in files
    }
    evaluation = evaluation.model_copy(update={"also": also})
    _write(model, evaluation, logits, linear)
    return evaluation


def choose(
    logits: Logits, validation: Sequence[Example], names: Sequence[str]
) -> dict[str, LabelChoice]:
    """Choose a temperature and a threshold for each label, on validation rows."""
    labels = multi_hot(validation, len(names))
    temperatures = multi_label.fit_temperatures(logits, labels)
    thresholds = multi_label.choose_thresholds(multi_label.sigmoid(logits, temperatures), labels)
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
        require_same_rows(model.record, TrainingRecord.model_validate(bundle.manifest.training))
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


def _measure_further(
    file: FurtherFile, evaluation: MultiLabelEvaluation, logits: Logits, linear: Baseline
) -> FurtherSummary:
    names = list(evaluation.choices)
    labels, clusters = multi_hot(file.rows, len(names)), clusters_of(file.rows)
    texts = [row.text for row in file.rows]
    probabilities, answers = _decide(logits, evaluation)
    scores, guesses = linear.score(texts), linear.predict(texts)
    return FurtherSummary(
        **dict(
            summary.summarise(probabilities, answers, labels, names, clusters, only_present=True)
        ),
        against_baseline=summary.compare(answers, guesses, labels, clusters),
        baseline=BaselineMetrics(
            **dict(summary.measure(guesses, scores, labels, clusters, only_present=True)),
            name=linear.name,
        ),
        reading=file.reading,
        bad_rows=file.bad_rows,
        learnt_rows=file.learnt_rows,
    )


def _write(
    model: TrainedModel, evaluation: MultiLabelEvaluation, logits: Logits, linear: Baseline
) -> None:
    """Write everything into the model folder, or nothing if it cannot all be written."""
    rows = model.rows.test
    guesses = linear.predict([row.text for row in rows])
    probabilities, answers = _decide(logits, evaluation)
    labels = multi_hot(rows, len(model.labels))
    with replacing_evaluation(model.folder) as folder:
        HeldOutPredictions(logits, guesses.astype(np.int64)).write(folder)
        write_errors(folder / ERRORS, rows, probabilities, answers, guesses, model.labels)
        confusion.write_label_metrics(folder / LABELS, evaluation.fp32.per_label)
        plots.plot_reliability(
            folder / report.RELIABILITY_PLOT, multi_label.sigmoid(logits), probabilities, labels
        )
        evaluation.write(folder)
        report.write_report(folder, model.record, evaluation)
