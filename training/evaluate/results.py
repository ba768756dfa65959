"""The results of an evaluation, as `evaluation.json` and a bundle's manifest hold them."""

from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from training.atomic import write_text
from training.fit.record import hash_weights
from training.fit.trained_model import StaleError

FILE = "evaluation.json"


class Result(BaseModel):
    """The base of all results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> dict[str, Any]:
        """Return the result as the manifest stores it."""
        return self.model_dump(mode="json")


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


class LabelMetrics(Result):
    """How well one label is recognised; `texts` are those that carry it."""

    precision: float
    recall: float
    f1: float
    texts: int


class Metrics(Result):
    """Accuracy and macro-F1, with their intervals."""

    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval


class _Named(Result):
    """The field that opens a baseline. pydantic takes the fields of the last base class first."""

    name: str


class BaselineMetrics(Metrics, _Named):
    """The metrics of a linear model, which gives no probabilities."""


class _Counted(Result):
    """The field that opens a summary."""

    texts: int


class Summary(Metrics, _Counted):
    """Everything measured of one model on one set of rows."""

    log_loss: float  # nats
    calibration_error: float
    per_label: dict[str, LabelMetrics]
    confusion: list[list[int]]  # texts by true label (row) and predicted label (column)


class PairedComparison(Result):
    """A model and another one on the same texts."""

    texts: int
    accuracy: float
    accuracy_interval: Interval
    other_accuracy: float
    other_accuracy_interval: Interval
    difference: float  # accuracy less other_accuracy
    difference_interval: Interval
    only_right: int  # texts that the other model gets wrong
    other_only_right: int
    mcnemar_p: float


class ModelSummary(Summary):
    """The summary of a model, and its comparison with the baseline."""

    against_baseline: PairedComparison


class PreviousComparison(PairedComparison):
    """The model and a published bundle."""

    version: str


class Slice(PairedComparison, _Named):
    """The model and the baseline on one part of the test rows."""


class ErrorCounts(Result):
    """How many texts got a wrong label, and how many of them with this confidence or more."""

    texts: int
    confidence: float
    confident: int


class RepeatCounts(Result):
    """How many texts repeat, and how many repeats carry different labels."""

    rows: int
    texts: int
    conflicting_texts: int
    conflicting_rows: int
    outvoted_rows: int


class Repeats(Result):
    """Repeats in the whole file and among the test rows."""

    file: RepeatCounts
    test: RepeatCounts


class Evaluation(Result):
    """What `textclf evaluate` finds; all figures are of test rows unless they say otherwise."""

    weights_sha256: str
    temperature: float
    uncalibrated: Summary  # before temperature scaling
    fp32: ModelSummary
    baseline: BaselineMetrics
    previous: PreviousComparison | None
    groups: int  # of the test rows: stories, or equal texts
    slices: list[Slice]
    errors: ErrorCounts
    repeats: Repeats
    also: dict[str, Summary]  # by the name of the further file

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the evaluation of the weights in a model folder.

        Raises:
            StaleError: these weights have not been evaluated, or by another version of this code.
        """
        try:
            evaluation = cls.model_validate_json((folder / FILE).read_bytes())
        except (FileNotFoundError, ValidationError):
            evaluation = None
        if evaluation is None or evaluation.weights_sha256 != hash_weights(folder):
            raise StaleError(
                f"the model in {folder} is not evaluated: run textclf evaluate {folder}"
            )
        return evaluation

    def write(self, folder: Path) -> None:
        """Write `evaluation.json` into a model folder."""
        write_text(folder / FILE, self.model_dump_json(indent=2) + "\n")
