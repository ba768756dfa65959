"""The results of an evaluation, as `evaluation.json` and a bundle's manifest hold them."""

from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from training.atomic import write_text
from training.fit.record import hash_weights
from training.fit.trained_model import StaleError
from training.labels.names import shorten

FILE = "evaluation.json"
LEAST_GROUPS = 10  # for an interval to prove anything
ENOUGH_GROUPS = 30  # for a model that gives one answer to all to be refused for that


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
    # The mean of the accuracies of the groups; None for rows without groups and earlier versions.
    group_accuracy: float | None = None
    group_accuracy_interval: Interval | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result as the manifest stores it, without what was not measured."""
        return self.model_dump(mode="json", exclude_none=True)


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
    calibration_error_interval: Interval | None = None  # None for earlier versions


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


class FurtherSummary(Summary):
    """The summary of a model on a further file, or on the half of it that tests calibration.

    Macro-F1 is the mean over the labels that the file has. Fields with a default are unknown for
    evaluations of earlier versions.
    """

    baseline: BaselineMetrics | None = None
    against_baseline: PairedComparison | None = None
    calibration_rows: int = 0  # other rows of the file, on which the temperature was fitted
    whole: PairedComparison | None = None  # model and baseline on all rows, if those are more
    reading: str = ""  # how the file was read
    bad_rows: int = 0  # left out because they could not be used
    known_rows: int = 0  # left out of a file to calibrate on: the data set has their text
    learnt_rows: int = 0  # measured, although the model was trained on their text

    @property
    def labels(self) -> list[str]:
        """The labels that the texts have."""
        return [name for name, label in self.per_label.items() if label.texts]


class Elsewhere(Result):
    """What a bundle's manifest says of the bundle on one further file."""

    name: str
    texts: int
    labels: tuple[str, ...]  # those that the texts have
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float  # over these labels
    macro_f1_interval: Interval
    baseline_accuracy: float
    difference: float  # accuracy less baseline_accuracy
    difference_interval: Interval
    calibration_error: float
    calibration_error_interval: Interval
    calibration_texts: int  # which macro-F1 and calibration error are of
    calibrated_on: int  # other texts of the file, on which the temperature was fitted


class CalibrationChoice(Result):
    """A temperature, what it is fitted on, and the calibration error it gives by set of rows."""

    fitted_on: str
    temperature: float
    errors: dict[str, float]


class CoveragePoint(Result):
    """How often a model is right about the texts with at least some confidence."""

    coverage: float  # share of the texts
    least_confidence: float
    precision: float  # share of these whose label is right
    precision_interval: Interval


class LlmComparison(PairedComparison):
    """The model and a large language model, on a sample of the test rows."""

    model: str  # its id
    without_label: int  # rows that it gave none, which count as wrong
    input_tokens: int
    output_tokens: int
    usd: float | None  # None if the prices were not given


class PreviousComparison(PairedComparison):
    """The model and a published bundle."""

    version: str


class Slice(PairedComparison, _Named):
    """The model and the baseline on one part of the test rows."""


class MajorityComparison(PairedComparison):
    """The model, and answering every text with the label that most training rows have."""

    label: str


class Usefulness(Result):
    """Whether a model is any good: next to a linear model and to a constant answer."""

    groups: int  # of the test rows
    baseline_name: str
    against_baseline: PairedComparison
    macro_f1_difference: float  # the model's less the baseline's, over labels with test rows
    macro_f1_interval: Interval
    against_majority: MajorityComparison
    always_predicts: str | None  # the only label that it predicts, if the test rows have several
    never_predicts: tuple[str, ...]  # labels with test rows

    @property
    def faults(self) -> list[str]:
        """What makes it significantly worse than simpler answers; none if it is any good.

        An interval of very few groups is too narrow, so it proves nothing.
        """
        if self.groups < LEAST_GROUPS:
            return []
        faults = [self.constancy] if self.constancy and self.groups >= ENOUGH_GROUPS else []
        if self.against_majority.difference_interval.high < 0:
            (name,) = shorten([self.against_majority.label])
            faults.append(
                f"always answering {name!r} is {_points(-self.against_majority.difference)} points "
                "more accurate"
            )
        if self.against_baseline.difference_interval.high < 0:
            faults.append(
                f"the linear baseline is {_points(-self.against_baseline.difference)} points more "
                "accurate"
            )
        if self.macro_f1_interval.high < 0:
            faults.append(
                f"the linear baseline has a macro-F1 that is {-self.macro_f1_difference:.4f} higher"
            )
        return faults

    @property
    def constancy(self) -> str:
        """The words for a model that gives every test row the same label."""
        if self.always_predicts is None:
            return ""
        (name,) = shorten([self.always_predicts])
        return f"it gives every test row the label {name!r}"


def _points(share: float) -> str:
    return f"{100 * share:.2f}"


class LabelNoise(Result):
    """How many rows and errors the labels of the data themselves may explain."""

    rows: int
    errors: int
    conflicting_rows: int  # their text has another label in another row
    conflicting_errors: int
    predicted_conflicts: int  # errors whose text has the label that the model gives elsewhere
    mixed_rows: int  # others, in a group with a text of several labels
    mixed_errors: int


class ErrorCounts(Result):
    """How many texts got a wrong label, and how many of them with this confidence or more."""

    texts: int
    confidence: float
    confident: int
    noise: LabelNoise | None = None  # None for evaluations of earlier versions


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


class SavedEvaluation(Result):
    """An evaluation in the folder of the model, for the weights that it has."""

    weights_sha256: str

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


class Evaluation(SavedEvaluation):
    """What `textclf evaluate` finds; all figures are of test rows unless they say otherwise."""

    temperature: float
    uncalibrated: Summary  # before temperature scaling
    fp32: ModelSummary
    baseline: BaselineMetrics
    previous: PreviousComparison | None
    groups: int  # of the test rows: stories, or equal texts
    slices: list[Slice]
    errors: ErrorCounts
    repeats: Repeats
    also: dict[str, FurtherSummary]  # by the name of the further file
    usefulness: Usefulness | None = None  # None for evaluations of earlier versions
    calibration_rows: int | None = None  # validation rows that the temperature was fitted on
    calibration: list[CalibrationChoice] = []  # if it was fitted on rows of further files, too
    coverage: list[CoveragePoint] = []  # empty for evaluations of earlier versions
    against: LlmComparison | None = None
