"""The gate where a text may have several labels: on micro-F1, which is the accuracy of one label.

Agreement is the micro-F1 of the bundle's labels against those of the fp32 model: it counts labels
that were given, not the many that both leave out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from inference.model.bundle import Manifest
from inference.model.classifier import Prediction
from training import multi_label
from training.atomic import write_text
from training.data.examples import clusters_of, multi_hot
from training.evaluate import tables
from training.evaluate.judgement import REMEDIES
from training.evaluate.multi_label import report, summary
from training.evaluate.multi_label.results import (
    Elsewhere,
    ModelSummary,
    MultiLabelEvaluation,
    Usefulness,
)
from training.evaluate.multi_label.usefulness import measure_usefulness
from training.evaluate.predictions import HeldOutPredictions, stack_answers, stack_probabilities
from training.evaluate.report import FP32
from training.evaluate.results import Interval
from training.export.gate import ELSEWHERE, INT8, PAGE, Quantization, capitalise, require_pass
from training.fit.record import WEIGHTS
from training.fit.trained_model import TrainedModel


class MultiLabelQuantization(Quantization):
    """What the bundle lost: the fields of accuracy are of micro-F1, in points."""

    measure: Literal["micro_f1"] = "micro_f1"

    def describe_figures(self) -> str:
        """Return the figures and their limits in a sentence."""
        return (
            f"int8 {self.describe_change('micro-F1')}, its labels have a micro-F1 of "
            f"{self.agreement:.2f} % against those of fp32 (at least {self.min_agreement} % "
            f"required), and it moves a probability by at most {self.max_change:.3f}."
        )


@dataclass(frozen=True)
class MultiLabelPassed:
    """The figures of a bundle that passed the gate."""

    int8: ModelSummary
    quantization: MultiLabelQuantization
    useful: Usefulness
    elsewhere: Sequence[Elsewhere] = ()  # on further files


def pass_multi_label_gate(
    model: TrainedModel,
    evaluation: MultiLabelEvaluation,
    predictions: Sequence[Prediction],
    bundle_bytes: int,
    *,
    allow_worse: bool = False,
    elsewhere: Sequence[Elsewhere] = (),
) -> MultiLabelPassed:
    """Measure a bundle on the test rows, write `gate.md` and refuse the bundle if it is worse.

    Args:
        model: the model that the bundle was made from.
        evaluation: the evaluation of the model.
        predictions: what the bundle predicts for the test rows.
        bundle_bytes: the size of the bundle.
        allow_worse: whether to accept one that is worse than simpler ways to answer.
        elsewhere: how good the bundle is on further files, for the page.

    Raises:
        GateError: the bundle lost more than is allowed, or is no good.
    """
    saved = HeldOutPredictions.read(model.folder)
    labels, clusters = multi_hot(model.rows.test, len(model.labels)), clusters_of(model.rows.test)
    fp32 = multi_label.sigmoid(saved.logits, evaluation.temperatures)
    fp32_answers = multi_label.decide(fp32, evaluation.thresholds)
    int8, answers = stack_probabilities(predictions), stack_answers(predictions)
    guesses = saved.baseline.astype(bool)
    lost = summary.compare(fp32_answers, answers, labels, clusters)
    agreement = summary.micro_f1_interval(answers, fp32_answers, clusters)
    quantization = MultiLabelQuantization(
        accuracy_drop=100 * lost.difference,
        agreement=100 * multi_label.micro_f1(answers, fp32_answers),
        max_change=float(np.abs(int8 - fp32).max()),
        bundle_bytes=bundle_bytes,
        weights_bytes=(model.folder / WEIGHTS).stat().st_size,
        texts=len(labels),
        accuracy_drop_interval=_to_points(lost.difference_interval),
        agreement_interval=_to_points(agreement),
    )
    measured = ModelSummary(
        **dict(summary.summarise(int8, answers, labels, model.labels, clusters)),
        against_baseline=summary.compare(answers, guesses, labels, clusters),
    )
    useful = measure_usefulness(model, answers, guesses, evaluation.baseline.name)
    page = model.folder / PAGE
    faults = [] if allow_worse else useful.faults
    _write_page(page, evaluation, measured, quantization, useful, faults, elsewhere)
    require_pass(
        quantization,
        page,
        None if allow_worse else useful,
        REMEDIES[model.record.settings.method],
    )
    return MultiLabelPassed(measured, quantization, useful, elsewhere)


def describe_multi_label_bundle(manifest: Manifest) -> str:
    """Say what an exported bundle lost, and what to mind."""
    quantization = MultiLabelQuantization.model_validate(manifest.quantization)
    int8 = ModelSummary.model_validate(manifest.metrics["int8"])
    return " ".join([quantization.describe(), *report.list_cautions(int8)])


def _to_points(interval: Interval) -> Interval:
    return Interval(100 * interval.low, 100 * interval.high)


def _write_page(
    path: Path,
    evaluation: MultiLabelEvaluation,
    int8: ModelSummary,
    quantization: MultiLabelQuantization,
    useful: Usefulness,
    faults: Sequence[str],
    elsewhere: Sequence[Elsewhere],
) -> None:
    """Write the page of the gate: int8 next to fp32 and the baseline."""
    baseline, fp32 = evaluation.baseline, evaluation.fp32
    passed = quantization.passes and not faults
    sections = [
        f"# Gate: {'passed' if passed else 'refused'}",
        quantization.describe(),
        *(tables.escape(f"{capitalise(fault)}.") for fault in useful.faults),
        *map(tables.escape, report.list_cautions(int8)),
        f"The bundle takes {quantization.bundle_bytes / 1e6:.1f} MB, the fp32 weights "
        f"{quantization.weights_bytes / 1e6:.1f} MB.",
        report.format_models([(baseline.name, baseline), (FP32, fp32), (INT8, int8)]),
        report.format_comparisons(
            [
                (f"{FP32} against {baseline.name}", fp32.against_baseline),
                (f"{INT8} against {baseline.name}", int8.against_baseline),
            ]
        ),
        report.WORDS,
        *([ELSEWHERE, report.format_elsewhere(elsewhere)] if elsewhere else []),
        "All labels here are those of the int8 bundle.",
        *report.describe_labels(int8),
    ]
    write_text(path, "\n\n".join(sections) + "\n")
