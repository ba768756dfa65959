"""Measure a trained model on rows it has never seen, next to the baseline."""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.model.store import fetch
from training import metrics
from training.atomic import require_writable
from training.data.examples import DataError, Example, clusters_of, has_groups, labels_of
from training.evaluate import baseline, calibration, confusion, elsewhere, plots, report, summary
from training.evaluate.calibration import Fitted, Source
from training.evaluate.elsewhere import FurtherRows
from training.evaluate.errors import count_errors, write_errors
from training.evaluate.fp32 import Fp32Model
from training.evaluate.further import NO_FILES, FurtherFile, FurtherFiles, read_files
from training.evaluate.intervals import measure_difference
from training.evaluate.multi_label import evaluation as multi_label
from training.evaluate.multi_label.results import MultiLabelEvaluation
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
from training.evaluate.selective import measure_coverage, plot_coverage
from training.evaluate.slices import measure_slices
from training.evaluate.usefulness import measure_usefulness
from training.evaluate.yardstick import LlmLabels
from training.fit.record import TrainingRecord, hash_weights, require_same_rows
from training.fit.trained_model import TrainedModel, replacing_evaluation
from training.labels.conflicts import count_conflicts
from training.metrics import Labels, Probabilities

ERRORS = "errors.csv"


def evaluate(
    model: TrainedModel,
    further: FurtherFiles = NO_FILES,
    previous: str | None = None,
    against: LlmLabels | None = None,
) -> Evaluation | MultiLabelEvaluation:
    """Evaluate a model and the baseline on the test rows; write the results and the report.

    The model folder gets `evaluation.json`, `report.md` with its plots, `errors.csv`, and the
    predictions that `export` compares the bundle with.

    Args:
        model: the model; its temperature is fitted on the validation rows, and on half of the
            rows of each file to calibrate on.
        further: further files of texts with the same labels.
        previous: the URI of a published bundle to compare with on the same test rows.
        against: the labels of a large language model for some of the test rows.

    Raises:
        OutputError: the folder cannot be written.
        DataError: a further file cannot be used, or the bundle held out other rows.
        StoreError: the bundle cannot be fetched.
    """
    if model.dataset.task.is_multi_label:
        if against:
            raise DataError("--against is for models that give each text one label")
        return multi_label.evaluate(model, further, previous)
    # First what may fail for reasons outside the model: the rest can take an hour.
    require_writable(model.folder)
    files = read_files(further, model)
    for file in files:
        print(file.reading, file=sys.stderr)
    published = _predict_with_published(previous, model) if previous else None

    fp32 = Fp32Model(model.folder)
    validation = Source.of(
        "validation rows", fp32.compute_logits(model.rows.validation), model.rows.validation
    )
    outputs = [_Outputs(file, fp32.compute_logits(file.rows)) for file in files]
    fitted = calibration.fit(
        validation, [each.for_calibration for each in outputs for _ in range(each.file.times)]
    )
    linear = baseline.fit(
        model.dataset.task, model.rows.train, model.rows.validation, model.record.settings.seed
    )
    guesses = linear.predict([row.text for row in model.rows.test])
    test = HeldOutPredictions(fp32.compute_logits(model.rows.test), guesses)
    rows = [FurtherRows.collect(file, linear) for file in files]
    evaluation = _measure(model, fitted.temperature, test, linear.name, published)
    evaluation = _add_further(evaluation, model, test, fitted, outputs, rows)
    if against:
        compared = against.compare(test.logits.argmax(axis=1), model.rows.test)
        evaluation = evaluation.model_copy(update={"against": compared})
    _write(model, test, evaluation, rows)
    return evaluation


@dataclass(frozen=True)
class _Outputs:
    """What the model answers for a further file."""

    file: FurtherFile
    logits: NDArray[np.float32]

    @property
    def for_calibration(self) -> Source:
        """The rows that the temperature is fitted on."""
        return self._source.select(self.file.for_calibration)

    @property
    def for_test(self) -> Source:
        """The other rows."""
        return self._source.select(~self.file.for_calibration)

    @property
    def _source(self) -> Source:
        return Source.of(self.file.name, self.logits, self.file.rows)


def _add_further(
    evaluation: Evaluation,
    model: TrainedModel,
    test: HeldOutPredictions,
    fitted: Fitted,
    outputs: Sequence[_Outputs],
    rows: Sequence[FurtherRows],
) -> Evaluation:
    """Add how good the model is on further files, and what the temperature does to each."""
    probabilities = [metrics.softmax(each.logits, fitted.temperature) for each in outputs]
    also = {
        each.name: each.measure(found, model.labels)
        for each, found in zip(rows, probabilities, strict=True)
    }
    tests = [
        Source.of("test rows", test.logits, model.rows.test),
        *(each.for_test for each in outputs),
    ]
    return evaluation.model_copy(update={"also": also, "calibration": fitted.compare(tests)})


@dataclass(frozen=True)
class _Published:
    """What a published bundle predicts for the test rows."""

    version: str
    predicted: Labels


def _predict_with_published(uri: str, model: TrainedModel) -> _Published:
    with tempfile.TemporaryDirectory() as cache:
        bundle = fetch(uri, Path(cache), FETCH_SECONDS)
        require_same_rows(model.record, TrainingRecord.of_bundle(bundle.manifest, bundle.version))
        return _Published(bundle.version, predict_rows(bundle, model.rows.test).argmax(axis=1))


def _measure(
    model: TrainedModel,
    temperature: float,
    test: HeldOutPredictions,
    baseline_name: str,
    published: _Published | None,
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
            **dict(
                summary.measure(
                    test.baseline,
                    labels,
                    len(model.labels),
                    clusters,
                    has_groups=has_groups(rows),
                )
            ),
            name=baseline_name,
        ),
        previous=previous,
        groups=len(np.unique(clusters)),
        slices=measure_slices(rows, model.rows.train, right, baseline_right),
        errors=count_errors(probabilities, rows, model.dataset.examples),
        repeats=Repeats(
            file=RepeatCounts.model_validate(count_conflicts(model.dataset.examples)),
            test=RepeatCounts.model_validate(count_conflicts(rows)),
        ),
        also={},
        usefulness=measure_usefulness(
            model, probabilities.argmax(axis=1), test.baseline, baseline_name
        ),
        calibration_rows=len(model.rows.validation),
        coverage=measure_coverage(probabilities, labels, clusters),
    )


def _summarise(
    probabilities: Probabilities, rows: Sequence[Example], model: TrainedModel
) -> Summary:
    return summary.summarise(
        probabilities,
        labels_of(rows),
        model.labels,
        clusters_of(rows),
        has_groups=has_groups(rows),
    )


def _write(
    model: TrainedModel,
    test: HeldOutPredictions,
    evaluation: Evaluation,
    further: Sequence[FurtherRows],
) -> None:
    """Write everything into the model folder, or nothing if it cannot all be written."""
    rows = model.rows.test
    probabilities = metrics.softmax(test.logits, evaluation.temperature)
    with replacing_evaluation(model.folder) as folder:
        test.write(folder)
        elsewhere.write_rows(folder, further)
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
        plot_coverage(
            folder / report.COVERAGE_PLOT, [(report.FP32, probabilities, labels_of(rows))]
        )
        evaluation.write(folder)
        report.write_report(folder, model.record, evaluation)
