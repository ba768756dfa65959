"""Measure a bundle on labelled files: what a model is worth on texts of one's own.

The data that the bundle was made with need not be here. So there is no baseline, and nobody knows
which of the texts the model has learned.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.model.abstention import ANSWERED, LOW_CONFIDENCE, OUT_OF_SCOPE
from inference.model.bundle import Bundle, read_verified
from inference.model.classifier import Classifier, Prediction
from training.data.examples import (
    DataError,
    Dataset,
    clusters_of,
    has_groups,
    labels_of,
    multi_hot,
)
from training.evaluate import summary, tables
from training.evaluate.further import FurtherFiles, describe_file, name_files, read_file
from training.evaluate.multi_label import report as several_report
from training.evaluate.multi_label import summary as several
from training.evaluate.predictions import classify, stack_answers, stack_probabilities
from training.evaluate.report import describe_labels, describe_present
from training.fit.record import TrainingRecord
from training.tasks import Task, with_labels_of_model

NAME = "int8 bundle"
NOTE = (
    "Brackets hold 95 % intervals, bootstrapped over groups or equal texts. If the model was "
    "trained on some of these texts, the figures flatter it."
)


def report_bundle(folder: Path, files: FurtherFiles) -> str:
    """Measure a bundle on labelled files, exactly as it serves; return a report in Markdown.

    The files are those of ``also``.

    Raises:
        BundleError: the bundle is incomplete or altered.
        DataError: a file cannot be read.
    """
    bundle = read_verified(folder)
    task, classifier = find_task(bundle), Classifier.load(bundle)
    sections = []
    for location, name in zip(files.also, name_files(files.also), strict=True):
        dataset = read_file(location, files, task)
        if not dataset.examples:
            raise DataError(f"{location} has no row to measure the bundle on")
        predictions = classify(classifier, [row.text for row in dataset.examples])
        title = f"# Bundle {classifier.version} on {tables.escape(name)}"
        sections += [title, describe_file(location, dataset, "measured")]
        describe = _describe_several if task.is_multi_label else _describe_one
        sections += [*describe(dataset, predictions), NOTE]
    return "\n\n".join(section for section in sections if section)


def find_task(bundle: Bundle) -> Task:
    """Return the task that a bundle was trained for, with its labels.

    Raises:
        DataError: it does not say how it was trained.
    """
    record = TrainingRecord.of_bundle(bundle.manifest, bundle.version)
    return with_labels_of_model(record.settings.find_task(), bundle.manifest.labels)


def _describe_one(dataset: Dataset, predictions: Sequence[Prediction]) -> list[str]:
    """Describe how good predictions of one label for each text are."""
    rows, names = dataset.examples, dataset.task.labels
    labels, probabilities = labels_of(rows), stack_probabilities(predictions)
    measured = summary.summarise(
        probabilities,
        labels,
        names,
        clusters_of(rows),
        has_groups=has_groups(rows),
        only_present=True,
    )
    right = probabilities.argmax(axis=1) == labels
    return [
        describe_present(measured.per_label),
        tables.format_models([(NAME, measured)]),
        _describe_abstentions(predictions, right),
        *describe_labels(measured),
    ]


def _describe_several(dataset: Dataset, predictions: Sequence[Prediction]) -> list[str]:
    """Describe how good predictions of several labels for each text are."""
    rows, names = dataset.examples, dataset.task.labels
    answers, labels = stack_answers(predictions), multi_hot(rows, len(names))
    measured = several.summarise(
        stack_probabilities(predictions),
        answers,
        labels,
        names,
        clusters_of(rows),
        only_present=True,
    )
    return [
        describe_present(measured.per_label),
        several_report.format_models([(NAME, measured)]),
        *several_report.describe_labels(measured),
    ]


def _describe_abstentions(predictions: Sequence[Prediction], right: NDArray[np.bool_]) -> str:
    """Say how often a bundle abstains, and how often it is right if it does not."""
    if not all(prediction.can_abstain for prediction in predictions):
        return ""
    outcomes = np.array([prediction.outcome for prediction in predictions])
    answered = outcomes == ANSWERED
    shares = {reason: (outcomes == reason).mean() for reason in (LOW_CONFIDENCE, OUT_OF_SCOPE)}
    sentence = (
        f"It abstains from {shares[LOW_CONFIDENCE]:.1%} for low confidence and from "
        f"{shares[OUT_OF_SCOPE]:.1%} as out of scope."
    )
    for part, what in ((answered, "the others"), (~answered, "those that it abstains from")):
        if part.any():
            sentence += f" It labels {right[part].mean():.1%} of {what} correctly."
    return sentence
