"""The gate: refuse an int8 bundle that is not as good as the fp32 model it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.errors import TextClassifierError
from inference.model.classifier import Prediction
from training import metrics
from training.atomic import write_text
from training.data.examples import clusters_of, labels_of
from training.evaluate import summary, tables
from training.evaluate.intervals import measure_difference
from training.evaluate.predictions import HeldOutPredictions, stack_probabilities
from training.evaluate.report import FP32
from training.evaluate.results import Evaluation, ModelSummary, Result
from training.fit.record import WEIGHTS
from training.fit.trained_model import TrainedModel
from training.metrics import Labels, Probabilities

MAX_ACCURACY_DROP = 0.5  # points
MIN_AGREEMENT = 98.5  # % of labels
SCHEME = (
    "7 bits, a scale a column; embeddings 4 bits, a scale a row; fixed 8-bit ranges of activations"
)
PAGE = "gate.md"
INT8 = "DistilBERT, int8 bundle"


class GateError(TextClassifierError):
    """The bundle is not as good as the fp32 model."""

    exit_code = 3


class Quantization(Result):
    """What the bundle lost against the fp32 model on the test rows, and what it saved."""

    weights: str = SCHEME
    accuracy_drop: float  # points
    max_accuracy_drop: float = MAX_ACCURACY_DROP
    agreement: float  # % of texts with the same label
    min_agreement: float = MIN_AGREEMENT
    max_change: float  # of a probability
    bundle_bytes: int
    weights_bytes: int  # fp32

    @property
    def passes(self) -> bool:
        """Whether the bundle is within the limits."""
        keeps_accuracy = self.accuracy_drop <= self.max_accuracy_drop
        return keeps_accuracy and self.agreement >= self.min_agreement

    def describe(self) -> str:
        """Return the figures and their limits in a sentence."""
        return (
            f"int8 loses {self.accuracy_drop:z.2f} points of accuracy against fp32 on the test "
            f"rows (at most {self.max_accuracy_drop} allowed), agrees with fp32 on "
            f"{self.agreement:.2f} % of labels (at least {self.min_agreement} % required) and "
            f"moves a probability by at most {self.max_change:.3f}."
        )


@dataclass(frozen=True)
class Passed:
    """The figures of a bundle that passed the gate."""

    int8: ModelSummary
    quantization: Quantization


def pass_gate(
    model: TrainedModel,
    evaluation: Evaluation,
    predictions: Sequence[Prediction],
    bundle_bytes: int,
) -> Passed:
    """Measure a bundle on the test rows, write `gate.md` and refuse the bundle if it is worse.

    Args:
        model: the model that the bundle was made from.
        evaluation: the evaluation of the model.
        predictions: what the bundle predicts for the test rows.
        bundle_bytes: the size of the bundle.

    Raises:
        GateError: the bundle lost more than is allowed.
    """
    saved = HeldOutPredictions.read(model.folder)
    fp32, int8 = (
        metrics.softmax(saved.logits, evaluation.temperature),
        stack_probabilities(predictions),
    )
    summary = _summarise(model, int8, saved.baseline)
    quantization = Quantization(
        accuracy_drop=100 * (evaluation.fp32.accuracy - summary.accuracy),
        agreement=100 * float((int8.argmax(axis=1) == fp32.argmax(axis=1)).mean()),
        max_change=float(np.abs(int8 - fp32).max()),
        bundle_bytes=bundle_bytes,
        weights_bytes=(model.folder / WEIGHTS).stat().st_size,
    )
    write_page(model.folder / PAGE, evaluation, summary, quantization)
    require_pass(quantization, model.folder / PAGE)
    return Passed(summary, quantization)


def require_pass(quantization: Quantization, page: Path) -> None:
    """Refuse a bundle that lost more than is allowed, and name the page with all figures.

    Raises:
        GateError: the accuracy dropped too far, or too many labels changed.
    """
    if not quantization.passes:
        raise GateError(f"the bundle is refused: {quantization.describe()} See {page}.")


def write_page(
    path: Path, evaluation: Evaluation, int8: ModelSummary, quantization: Quantization
) -> None:
    """Write the page of the gate: int8 next to fp32 and the baseline."""
    baseline, fp32 = evaluation.baseline, evaluation.fp32
    sections = [
        f"# Gate: {'passed' if quantization.passes else 'refused'}",
        quantization.describe(),
        f"The bundle takes {quantization.bundle_bytes / 1e6:.1f} MB, the fp32 weights "
        f"{quantization.weights_bytes / 1e6:.1f} MB.",
        tables.format_models([(baseline.name, baseline), (FP32, fp32), (INT8, int8)]),
        tables.format_differences(
            [
                (f"{FP32} against {baseline.name}", fp32.against_baseline),
                (f"{INT8} against {baseline.name}", int8.against_baseline),
            ]
        ),
        "## Labels of the int8 bundle",
        tables.format_labels(int8.per_label),
        "True labels by row, predicted labels by column:",
        tables.format_confusion(int8),
    ]
    write_text(path, "\n\n".join(sections) + "\n")


def _summarise(model: TrainedModel, int8: Probabilities, baseline: Labels) -> ModelSummary:
    rows = model.rows.test
    labels, clusters = labels_of(rows), clusters_of(rows)
    against_baseline = measure_difference(
        int8.argmax(axis=1) == labels, baseline == labels, clusters
    )
    measured = summary.summarise(int8, labels, model.labels, clusters)
    return ModelSummary(**dict(measured), against_baseline=against_baseline)
