"""Measure a bundle on labelled files: what a model is worth on texts of one's own.

The data that the bundle was made with need not be here. So there is no baseline, and nobody knows
which of the texts the model has learned.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.model.abstention import ANSWERED, LOW_CONFIDENCE, OUT_OF_SCOPE
from inference.model.bundle import read_verified
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
from training.evaluate.report import describe_labels
from training.evaluate.results import LabelMetrics
from training.fit.record import read_bundle_record
from training.labels.names import name_some
from training.tasks import Task, with_labels

NAME = "int8 bundle"


def measure_bundle(folder: Path, files: FurtherFiles) -> str:
    """Measure a bundle on labelled files, exactly as it serves; return a report in Markdown.

    The files are those of ``also``.

    Raises:
        BundleError: the bundle is incomplete or altered.
        DataError: a file cannot be read.
    """
    task = find_task(folder)
    classifier = Classifier.load(read_verified(folder))
    sections = []
    for location, name in zip(files.also, name_files(files.also), strict=True):
        dataset = read_file(location, files, task)
        if not dataset.examples:
            raise DataError(f"{location} has no row to measure the bundle on")
        predictions = classify(classifier, [row.text for row in dataset.examples])
        title = f"# Bundle {classifier.version} on {tables.escape(name)}"
        sections += [title, describe_file(location, dataset, "measured")]
        describe = _describe_several if task.is_multi_label else _describe_one
        sections += describe(dataset, predictions)
    return "\n\n".join(section for section in sections if section)


def find_task(folder: Path) -> Task:
    """Return the task that a bundle was trained for, with its labels.

    Raises:
        BundleError: the bundle is incomplete or altered.
        DataError: it does not say how it was trained.
    """
    record = read_bundle_record(folder)
    task = record.settings.find_task()
    return task if task.labels == record.labels else with_labels(task, record.labels)


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
        _name_labels(measured.per_label),
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
        _name_labels(measured.per_label),
        several_report.format_models([(NAME, measured)]),
        _describe_abstentions(predictions, (answers == labels).all(axis=1)),
        *several_report.describe_labels(measured),
    ]


def _name_labels(per_label: Mapping[str, LabelMetrics]) -> str:
    """Name the labels that the texts have, unless they have all of them."""
    present = [name for name, label in per_label.items() if label.texts]
    if len(present) == len(per_label):
        return ""
    return (
        f"The texts have {len(present)} of the {len(per_label)} labels "
        f"({tables.escape(name_some(present))}), and macro-F1 is the mean over these."
    )


def _describe_abstentions(predictions: Sequence[Prediction], right: NDArray[np.bool_]) -> str:
    """Say how often a bundle abstains, and how often it is right if it does not."""
    outcomes = np.array([prediction.outcome for prediction in predictions])
    answered = outcomes == ANSWERED
    if not any(prediction.can_abstain for prediction in predictions):
        return ""
    shares = {reason: (outcomes == reason).mean() for reason in (LOW_CONFIDENCE, OUT_OF_SCOPE)}
    sentence = (
        f"It abstains from {shares[LOW_CONFIDENCE]:.1%} for low confidence and from "
        f"{shares[OUT_OF_SCOPE]:.1%} as out of scope."
    )
    for part, what in ((answered, "the others"), (~answered, "those that it abstains from")):
        if part.any():
            sentence += f" It labels {right[part].mean():.1%} of {what} correctly."
    return sentence
