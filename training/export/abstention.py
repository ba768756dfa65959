"""Choose on validation rows when a bundle abstains, and measure on test rows what that gives."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from inference.model.abstention import LOW_CONFIDENCE, OUT_OF_SCOPE, OutOfScope
from inference.model.bundle import ClassifierSpec
from inference.model.classifier import Classifier, Prediction
from inference.tables.options import ReadOptions
from training.data.examples import DataError, clusters_of, labels_of
from training.data.read import BY_CONTENT
from training.data.unlabelled import read_unlabelled
from training.evaluate.further import name_files
from training.evaluate.intervals import mean_intervals
from training.evaluate.predictions import classify, stack_probabilities
from training.evaluate.ranking import measure_auroc
from training.evaluate.results import Interval, Result
from training.export import scope
from training.export.thresholds import Choice, choose_thresholds, to_manifest
from training.fit.trained_model import TrainedModel

REFUSED = 0.05  # by default, share of in-scope texts that the out-of-scope limit refuses
MOST_ROWS = 20_000  # validation rows that the limits are chosen on
MOST_TEXTS = 10_000  # of one file, to learn from, and as many to measure on
LEAST_TEXTS = 20  # to learn from, and to measure on


@dataclass(frozen=True)
class AbstentionOptions:
    """When a bundle should abstain. By default it has no thresholds."""

    precision: float | None = None  # that each label should reach
    refused: float | None = None  # share of in-scope texts; 0 for no out-of-scope limit
    out_of_scope: tuple[str, ...] = ()  # files of texts that no label fits
    other_texts: tuple[str, ...] = ()  # files of texts of another kind, to measure on
    text_column: str = ""  # with the texts of these files, if not that of the task
    options: ReadOptions = BY_CONTENT

    @property
    def is_wanted(self) -> bool:
        """Whether the bundle should have any thresholds."""
        return bool(self.precision or self.refused or self.out_of_scope or self.other_texts)

    @property
    def share_refused(self) -> float:
        """The share of in-scope texts that count as out of scope."""
        return REFUSED if self.refused is None else self.refused


NEVER = AbstentionOptions()


@dataclass(frozen=True)
class OtherTexts:
    """The texts of a file that are of another kind than the model's."""

    name: str
    learnt: list[str]
    measured: list[str]


class LabelPrecision(Result):
    """The threshold of a label, and what it gives."""

    label: str
    least_confidence: float | None  # None if it always abstains
    validation_rows: int  # that got the label
    proved: float  # lower bound of the precision on validation rows
    coverage: float  # share of the test rows that got the label and are above the threshold
    precision: float | None  # of these; None if there are none
    precision_interval: Interval | None


class Detection(Result):
    """How well the out-of-scope score tells the texts of a file from test rows."""

    name: str
    texts: int
    learnt_from: int  # other texts of the file
    auroc: float
    auroc_interval: Interval
    confidence_auroc: float  # of the maximum probability, for comparison
    refused: float  # share of the texts above the limit


class AbstentionFigures(Result):
    """What abstaining gives on the test rows."""

    answered: float  # share of the test rows
    precision: float | None  # of the answered ones
    precision_interval: Interval | None
    low_confidence: float
    out_of_scope: float
    labels: tuple[LabelPrecision, ...] = ()
    detections: tuple[Detection, ...] = ()


def read_other_texts(options: AbstentionOptions, model: TrainedModel) -> list[OtherTexts]:
    """Read the files of texts of another kind; one half of those to learn from is measured.

    Raises:
        DataError: a file cannot be read, or has too few texts, or the options do not fit the model.
    """
    if options.is_wanted and model.dataset.task.is_multi_label:
        raise DataError(
            "a text of this model may have several labels or none, each by a threshold that "
            "`textclf evaluate` chose: leave out --precision, --refused, --out-of-scope and "
            "--other-texts"
        )
    locations = [*options.out_of_scope, *options.other_texts]
    if locations and not options.share_refused:
        raise DataError(
            "--refused 0 leaves out the limit that --out-of-scope and --other-texts are for"
        )
    names = name_files(locations)
    return [
        _read(location, name, options, model, learn=number < len(options.out_of_scope))
        for number, (location, name) in enumerate(zip(locations, names, strict=True))
    ]


def _read(
    location: str, name: str, options: AbstentionOptions, model: TrainedModel, *, learn: bool
) -> OtherTexts:
    task = model.dataset.task
    if options.text_column:
        layout = replace(task.layout, text=options.text_column, header=None)
        task = replace(task, layout=layout)
    dataset = replace(model.dataset, task=task)
    # Texts that the data set has are left out: a label fits them.
    read = read_unlabelled(location, dataset, model.rows, options.options, skip_bad_rows=True)
    texts = sorted((row.text for row in read.examples), key=_draw)  # a random order
    learnt = texts[: len(texts) // 2] if learn else []
    measured = texts[len(learnt) :]
    if min(len(measured), len(learnt) if learn else len(measured)) < LEAST_TEXTS:
        use = "half to learn from and half to measure on" if learn else "to measure on"
        raise DataError(f"{location}: {len(texts):,} texts are too few, {use}")
    return OtherTexts(name, learnt[:MOST_TEXTS], measured[:MOST_TEXTS])


def _draw(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def choose_limits(
    model: TrainedModel,
    folder: Path,
    spec: ClassifierSpec,
    options: AbstentionOptions,
    others: Sequence[OtherTexts],
) -> tuple[ClassifierSpec, list[Choice]]:
    """Choose the thresholds of the bundle in a folder; its graph may get a second output.

    Returns:
        The spec with them, and how those of the labels were chosen.

    Raises:
        ThresholdError: no label reaches the precision.
    """
    seed, scores = model.record.settings.seed, None
    unknown = [text for other in others for text in other.learnt]
    if options.share_refused:
        if unknown:
            scores = scope.learn_score(folder, model.rows.validation, unknown, seed, spec)
        draft = OutOfScope(
            score="output" if unknown else "energy",
            limit=scope.UNLIMITED,
            refused=options.share_refused,
        )
        spec = structs.replace(spec, out_of_scope=draft)
    rows = scope.choose_rows(model.rows.validation, MOST_ROWS, seed)
    predictions = classify(Classifier(folder, spec, "validation"), [row.text for row in rows])
    choices: list[Choice] = []
    if options.precision is not None:
        choices = choose_thresholds(
            stack_probabilities(predictions),
            labels_of(rows),
            clusters_of(rows),
            model.labels,
            options.precision,
        )
        thresholds = to_manifest(choices, options.precision)
        spec = structs.replace(spec, label_thresholds=thresholds)
    if spec.out_of_scope is not None:
        known = read_scores(predictions) if scores is None else scores
        limit = float(np.quantile(known, 1 - options.share_refused))
        limited = structs.replace(spec.out_of_scope, limit=limit)
        spec = structs.replace(spec, out_of_scope=limited)
    return spec, choices


def read_scores(predictions: Sequence[Prediction]) -> NDArray[np.float64]:
    """Return the out-of-scope scores of predictions."""
    return np.array([each.scope_score for each in predictions], np.float64)


def measure_abstention(
    model: TrainedModel,
    classifier: Classifier,
    predictions: Sequence[Prediction],
    choices: Sequence[Choice],
    others: Sequence[OtherTexts],
) -> AbstentionFigures:
    """Measure what abstaining gives.

    Args:
        model: the model, for its test rows.
        classifier: the bundle, with its thresholds.
        predictions: for the test rows.
        choices: how the thresholds of the labels were chosen.
        others: texts of another kind.
    """
    rows = model.rows.test
    right = stack_probabilities(predictions).argmax(axis=1) == labels_of(rows)
    outcomes = np.array([prediction.outcome for prediction in predictions])
    labels = np.array([prediction.label for prediction in predictions])
    clusters = clusters_of(rows)
    answered = (outcomes != LOW_CONFIDENCE) & (outcomes != OUT_OF_SCOPE)
    precision, interval = _measure_share(right, answered, clusters)
    return AbstentionFigures(
        answered=float(answered.mean()),
        precision=precision,
        precision_interval=interval,
        low_confidence=float((outcomes == LOW_CONFIDENCE).mean()),
        out_of_scope=float((outcomes == OUT_OF_SCOPE).mean()),
        labels=tuple(
            _measure_label(choice, labels == choice.label, predictions, right, clusters)
            for choice in choices
        ),
        detections=tuple(_measure_detections(classifier, predictions, clusters, others)),
    )


def _measure_label(
    choice: Choice,
    of_label: NDArray[np.bool_],
    predictions: Sequence[Prediction],
    right: NDArray[np.bool_],
    clusters: NDArray[np.int64],
) -> LabelPrecision:
    """Measure a threshold alone, without the out-of-scope limit."""
    least = np.inf if choice.least is None else choice.least
    covered = of_label & (np.array([each.confidence for each in predictions]) >= least)
    precision, interval = _measure_share(right, covered, clusters)
    return LabelPrecision(
        label=choice.label,
        least_confidence=choice.least,
        validation_rows=choice.rows,
        proved=choice.proved,
        coverage=float(covered.sum() / max(1, of_label.sum())),
        precision=precision,
        precision_interval=interval,
    )


def _measure_share(
    right: NDArray[np.bool_], chosen: NDArray[np.bool_], clusters: NDArray[np.int64]
) -> tuple[float | None, Interval | None]:
    if not chosen.any():
        return None, None
    (interval,) = mean_intervals([right[chosen]], clusters[chosen])
    return float(right[chosen].mean()), interval


def _measure_detections(
    classifier: Classifier,
    predictions: Sequence[Prediction],
    clusters: NDArray[np.int64],
    others: Sequence[OtherTexts],
) -> list[Detection]:
    if predictions[0].scope_score is None:
        return []
    known = read_scores(predictions)
    sure = np.array([prediction.confidence for prediction in predictions])
    detections = []
    for other in others:
        found = classify(classifier, other.measured)
        auroc, interval = measure_auroc(known, read_scores(found), clusters)
        unsure = np.array([prediction.confidence for prediction in found])
        detections.append(
            Detection(
                name=other.name,
                texts=len(found),
                learnt_from=len(other.learnt),
                auroc=auroc,
                auroc_interval=interval,
                confidence_auroc=measure_auroc(-sure, -unsure, clusters)[0],
                refused=float(np.mean([each.abstention == OUT_OF_SCOPE for each in found])),
            )
        )
    return detections
