"""The gate: refuse an int8 bundle that is worse than its fp32 model, or no good at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference.errors import TextClassifierError
from inference.model.classifier import Prediction
from training import metrics
from training.atomic import write_text
from training.data.examples import clusters_of, has_groups, labels_of
from training.data.split import LEAST_TEST_ROWS, explain_few_rows
from training.evaluate import summary, tables
from training.evaluate.intervals import mean_intervals, measure_difference
from training.evaluate.judgement import REMEDIES, list_untested
from training.evaluate.multi_label.results import Usefulness as MultiLabelUsefulness
from training.evaluate.predictions import HeldOutPredictions, stack_probabilities
from training.evaluate.report import FP32, describe_labels
from training.evaluate.results import (
    Elsewhere,
    Evaluation,
    Interval,
    ModelSummary,
    Result,
    Usefulness,
)
from training.evaluate.usefulness import measure_usefulness
from training.export.quantize import EMBEDDING_BITS, describe_scheme
from training.fit.record import WEIGHTS
from training.fit.trained_model import TrainedModel
from training.labels.names import name_some
from training.metrics import Labels, Probabilities

MAX_ACCURACY_DROP = 0.5  # points
MIN_AGREEMENT = 98.5  # % of labels
PAGE = "gate.md"
INT8 = "int8 bundle"
ELSEWHERE = "The int8 bundle elsewhere:"  # above the figures of further files


class GateError(TextClassifierError):
    """The bundle is not as good as the fp32 model."""

    exit_code = 3


class Quantization(Result):
    """What the bundle lost against the fp32 model on the test rows, and what it saved."""

    weights: str = describe_scheme(EMBEDDING_BITS)
    accuracy_drop: float  # points
    max_accuracy_drop: float = MAX_ACCURACY_DROP
    agreement: float  # % of texts with the same label
    min_agreement: float = MIN_AGREEMENT
    max_change: float  # of a probability
    bundle_bytes: int
    weights_bytes: int  # fp32
    # 95 % intervals, and the rows they are of; None for bundles of earlier versions.
    texts: int | None = None
    accuracy_drop_interval: Interval | None = None
    agreement_interval: Interval | None = None
    # False if attentions are not fused, so that the bundle is slower; None if they are.
    fused: bool | None = None
    fp32_channels: int | None = None  # of activations that do not fit into 8 bits; None for none

    def to_json(self) -> dict[str, Any]:
        """Return the figures as the manifest stores them, without what is unknown."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def passes(self) -> bool:
        """Whether the bundle is within the limits, as far as the test rows can tell.

        A loss beyond the limit counts if it is significant: of 50 rows, one row is two points.
        """
        drop, agreement = self.accuracy_drop_interval, self.agreement_interval
        keeps_accuracy = self.accuracy_drop <= self.max_accuracy_drop or (
            drop is not None and drop.low <= 0
        )
        agrees = self.agreement >= self.min_agreement or (
            agreement is not None and agreement.high >= self.min_agreement
        )
        return keeps_accuracy and agrees

    @property
    def is_within_limits(self) -> bool:
        """Whether the figures themselves are within the limits."""
        keeps_accuracy = self.accuracy_drop <= self.max_accuracy_drop
        return keeps_accuracy and self.agreement >= self.min_agreement

    def describe(self) -> str:
        """Return the figures and their limits, and whether there are too few rows to go by them."""
        figures = self.describe_figures()
        if self.passes and not self.is_within_limits:
            return f"{figures} The {self.texts:,} test rows are too few to hold that against it."
        return figures

    def describe_figures(self) -> str:
        """Return the figures and their limits in a sentence."""
        return (
            f"int8 {self.describe_change('accuracy')}, agrees with fp32 on "
            f"{self.agreement:.2f} % of labels (at least {self.min_agreement} % required) and "
            f"moves a probability by at most {self.max_change:.3f}."
        )

    def describe_change(self, measure: str) -> str:
        """Say how much of a measure was lost, or gained, and what may be lost."""
        change = -round(self.accuracy_drop, 2)
        verb, allowed = ("gains", "a loss of at most") if change > 0 else ("loses", "at most")
        return (
            f"{verb} {abs(change):.2f} points of {measure} against fp32 on the test rows "
            f"({allowed} {self.max_accuracy_drop} allowed)"
        )


@dataclass(frozen=True)
class Passed:
    """The figures of a bundle that passed the gate."""

    int8: ModelSummary
    quantization: Quantization
    useful: Usefulness
    elsewhere: Sequence[Elsewhere] = ()  # on further files


def pass_gate(
    model: TrainedModel,
    evaluation: Evaluation,
    predictions: Sequence[Prediction],
    bundle_bytes: int,
    *,
    allow_worse: bool = False,
    elsewhere: Sequence[Elsewhere] = (),
    abstention: Sequence[str] = (),
) -> Passed:
    """Measure a bundle on the test rows, write `gate.md` and refuse the bundle if it is worse.

    Worse than the model that it was made of, or than simpler ways to answer.

    Args:
        model: the model that the bundle was made from.
        evaluation: the evaluation of the model.
        predictions: what the bundle predicts for the test rows.
        bundle_bytes: the size of the bundle.
        allow_worse: whether to accept one that is worse than simpler ways to answer.
        elsewhere: how good the bundle is on further files, for the page.
        abstention: when the bundle abstains, as sections of the page.

    Raises:
        GateError: the bundle lost more than is allowed, or is no good.
    """
    saved = HeldOutPredictions.read(model.folder)
    fp32, int8 = (
        metrics.softmax(saved.logits, evaluation.temperature),
        stack_probabilities(predictions),
    )
    summary = _summarise(model, int8, saved.baseline)
    fp32_labels, int8_labels = fp32.argmax(axis=1), int8.argmax(axis=1)
    labels, clusters = labels_of(model.rows.test), clusters_of(model.rows.test)
    lost = (fp32_labels == labels).astype(float) - (int8_labels == labels)
    drop, agreement = mean_intervals([lost, fp32_labels == int8_labels], clusters)
    quantization = Quantization(
        accuracy_drop=100 * (evaluation.fp32.accuracy - summary.accuracy),
        agreement=100 * float((int8_labels == fp32_labels).mean()),
        max_change=float(np.abs(int8 - fp32).max()),
        bundle_bytes=bundle_bytes,
        weights_bytes=(model.folder / WEIGHTS).stat().st_size,
        texts=len(labels),
        accuracy_drop_interval=Interval(100 * drop.low, 100 * drop.high),
        agreement_interval=Interval(100 * agreement.low, 100 * agreement.high),
    )
    useful = measure_usefulness(model, int8_labels, saved.baseline, evaluation.baseline.name)
    write_page(
        model.folder / PAGE,
        evaluation,
        summary,
        quantization,
        useful,
        allow_worse=allow_worse,
        elsewhere=elsewhere,
        abstention=abstention,
    )
    require_pass(
        quantization,
        model.folder / PAGE,
        None if allow_worse else useful,
        REMEDIES[model.record.settings.method],
    )
    return Passed(summary, quantization, useful, elsewhere)


def require_pass(
    quantization: Quantization,
    page: Path,
    useful: Usefulness | MultiLabelUsefulness | None = None,
    remedy: str = REMEDIES["fine-tune"],
) -> None:
    """Refuse a bundle that is not good enough, and name the page with all figures.

    Args:
        quantization: what the bundle lost.
        page: the page with all figures.
        useful: what it is next to simpler ways to answer; None to accept one that is worse.
        remedy: what may make the model better.

    Raises:
        GateError: the accuracy dropped too far, too many labels changed, or simpler ways to answer
            are significantly better.
    """
    reasons = [] if quantization.passes else [quantization.describe()]
    if useful is not None and useful.faults:
        reasons.append(
            f"{capitalise('; '.join(useful.faults))}. {describe_missing(useful)}{remedy}, "
            "add rows, or insist with --allow-worse."
        )
    if reasons:
        raise GateError(f"the bundle is refused: {' '.join(reasons)} See {page}.")


def capitalise(sentence: str) -> str:
    """Begin a sentence with a capital letter, and leave the rest."""
    return sentence[:1].upper() + sentence[1:]


def describe_missing(useful: Usefulness | MultiLabelUsefulness) -> str:
    """Name the labels that are never predicted, in a sentence that ends with a space, if any."""
    if not useful.never_predicts:
        return ""
    return f"It never predicts {name_some(useful.never_predicts)}. "


def write_page(
    path: Path,
    evaluation: Evaluation,
    int8: ModelSummary,
    quantization: Quantization,
    useful: Usefulness,
    *,
    allow_worse: bool = False,
    elsewhere: Sequence[Elsewhere] = (),
    abstention: Sequence[str] = (),
) -> None:
    """Write the page of the gate: int8 next to fp32 and the baseline."""
    baseline, fp32 = evaluation.baseline, evaluation.fp32
    is_good = allow_worse or not useful.faults
    sections = [
        f"# Gate: {'passed' if quantization.passes and is_good else 'refused'}",
        quantization.describe(),
        *(tables.escape(f"{capitalise(fault)}.") for fault in useful.faults),
        *map(tables.escape, list_cautions(int8)),
        f"The bundle takes {quantization.bundle_bytes / 1e6:.1f} MB, the fp32 weights "
        f"{quantization.weights_bytes / 1e6:.1f} MB.",
        tables.format_models([(baseline.name, baseline), (FP32, fp32), (INT8, int8)]),
        tables.format_differences(
            [
                (f"{FP32} against {baseline.name}", fp32.against_baseline),
                (f"{INT8} against {baseline.name}", int8.against_baseline),
            ]
        ),
        *([ELSEWHERE, tables.format_elsewhere(elsewhere)] if elsewhere else []),
        "All labels here are those of the int8 bundle.",
        *describe_labels(int8),
        *abstention,
    ]
    write_text(path, "\n\n".join(sections) + "\n")


def list_cautions(int8: ModelSummary) -> list[str]:
    """List what to mind about a bundle that passed: labels that it never predicts, or few rows."""
    predicted = [sum(column) for column in zip(*int8.confusion, strict=True)]
    missing = [
        name
        for (name, label), count in zip(int8.per_label.items(), predicted, strict=True)
        if label.texts and not count
    ]
    cautions = [f"It never predicts {name_some(missing)}."] if missing else []
    cautions += list_untested(int8.per_label)
    if int8.texts < LEAST_TEST_ROWS:
        cautions.append(f"{capitalise(explain_few_rows(int8.texts))}.")
    return cautions


def _summarise(model: TrainedModel, int8: Probabilities, baseline: Labels) -> ModelSummary:
    rows = model.rows.test
    labels, clusters = labels_of(rows), clusters_of(rows)
    against_baseline = measure_difference(
        int8.argmax(axis=1) == labels, baseline == labels, clusters
    )
    measured = summary.summarise(int8, labels, model.labels, clusters, has_groups=has_groups(rows))
    return ModelSummary(**dict(measured), against_baseline=against_baseline)
