"""The results of an evaluation where a text may have several labels.

Where each text has one, micro-F1 is the accuracy. So it takes the place of accuracy wherever
models are compared; `accuracy` here is the share of texts whose labels are all right, none missing
and none too many (subset accuracy).
"""

from typing import Any, Literal

from training.evaluate.results import (
    ENOUGH_GROUPS,
    LEAST_GROUPS,
    Interval,
    LabelMetrics,
    Repeats,
    Result,
    SavedEvaluation,
)
from training.labels.names import name_some


class Metrics(Result):
    """What is measured of every model, with its intervals."""

    micro_f1: float
    micro_f1_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    accuracy: float
    accuracy_interval: Interval
    ranking_precision: float  # label ranking average precision
    ranking_precision_interval: Interval

    def to_json(self) -> dict[str, Any]:
        """Return the result as the manifest stores it, without what was not measured."""
        return self.model_dump(mode="json", exclude_none=True)


class BaselineMetrics(Metrics):
    """The metrics of a linear model, which gives no probabilities."""

    name: str


class Comparison(Result):
    """A model and another one on the same texts: differences are the model's less the other's."""

    texts: int
    micro_f1: float
    other_micro_f1: float
    difference: float  # of micro-F1
    difference_interval: Interval
    macro_f1_difference: float
    macro_f1_interval: Interval
    accuracy_difference: float
    accuracy_interval: Interval


class Summary(Metrics):
    """Everything measured of one model on one set of rows."""

    texts: int
    log_loss: float  # nats, of one decision about one label
    calibration_error: float  # of all decisions
    calibration_error_interval: Interval
    labels_per_text: float
    predicted_per_text: float
    without_label: int  # texts that get none
    per_label: dict[str, LabelMetrics]


class ModelSummary(Summary):
    """The summary of a model, and its comparison with the baseline."""

    against_baseline: Comparison


class FurtherSummary(ModelSummary):
    """The summary of a model on a further file, or on the half of it that tests calibration.

    Macro-F1 is the mean over the labels that the file has.
    """

    baseline: BaselineMetrics
    calibration_rows: int = 0  # other rows of the file, on which the temperatures were fitted
    whole: Comparison | None = None  # model and baseline on all rows, if those are more
    reading: str  # how the file was read
    bad_rows: int  # left out because they could not be used
    known_rows: int = 0  # left out of a file to calibrate on: the data set has their text
    learnt_rows: int  # measured, although the model was trained on their text

    @property
    def labels(self) -> list[str]:
        """The labels that the texts have."""
        return [name for name, label in self.per_label.items() if label.texts]


class Elsewhere(Result):
    """What a bundle's manifest says of the bundle on one further file."""

    name: str
    texts: int
    labels: tuple[str, ...]  # those that the texts have
    micro_f1: float
    micro_f1_interval: Interval
    baseline_micro_f1: float
    difference: float  # micro_f1 less baseline_micro_f1
    difference_interval: Interval
    macro_f1: float  # over these labels
    macro_f1_interval: Interval
    calibration_error: float
    calibration_error_interval: Interval
    calibration_texts: int  # which macro-F1 and calibration error are of
    calibrated_on: int  # other texts of the file, on which the temperatures were fitted


class CalibrationChoice(Result):
    """Temperatures, what they are fitted on, and the calibration error by set of rows."""

    fitted_on: str
    temperatures: tuple[float, ...]  # of each label, in output order
    errors: dict[str, float]


class ConstantComparison(Comparison):
    """The model, and giving every text the same labels."""

    labels: tuple[str, ...]


class Usefulness(Result):
    """Whether a model is any good: next to a linear model and to a constant answer."""

    groups: int  # of the test rows
    baseline_name: str
    against_baseline: Comparison
    against_constant: ConstantComparison
    always_predicts: tuple[str, ...] | None  # the only answer that it gives
    never_predicts: tuple[str, ...]  # labels with test rows

    @property
    def faults(self) -> list[str]:
        """What makes it significantly worse than simpler answers; none if it is any good.

        An interval of very few groups is too narrow, so it proves nothing.
        """
        if self.groups < LEAST_GROUPS:
            return []
        faults = [self.constancy] if self.constancy and self.groups >= ENOUGH_GROUPS else []
        if self.against_constant.difference_interval.high < 0:
            gain = -self.against_constant.difference
            faults.append(
                f"always answering {name_some(self.against_constant.labels)} has a micro-F1 that "
                f"is {gain:.4f} higher"
            )
        baseline = self.against_baseline
        if baseline.difference_interval.high < 0:
            faults.append(
                f"the linear baseline has a micro-F1 that is {-baseline.difference:.4f} higher"
            )
        if baseline.macro_f1_interval.high < 0:
            faults.append(
                "the linear baseline has a macro-F1 that is "
                f"{-baseline.macro_f1_difference:.4f} higher"
            )
        return faults

    @property
    def constancy(self) -> str:
        """The words for a model that gives every test row the same labels."""
        if self.always_predicts is None:
            return ""
        if not self.always_predicts:
            return "it gives no test row any label"
        return f"it gives every test row the same labels: {name_some(self.always_predicts)}"


class ErrorCounts(Result):
    """How many texts lack a label, or got a wrong one."""

    texts: int  # with some error
    missing: int  # labels that were not given
    wrong: int  # labels that were given and do not apply


class LabelChoice(Result):
    """How a label is given: the temperature of its probability, and the least one."""

    temperature: float
    threshold: float
    validation_rows: int  # that have the label


class PreviousComparison(Comparison):
    """The model and a published bundle."""

    version: str


class MultiLabelEvaluation(SavedEvaluation):
    """What `textclf evaluate` finds; all figures are of test rows unless they say otherwise."""

    labelling: Literal["multi"] = "multi"
    choices: dict[str, LabelChoice]  # by label
    uncalibrated: Summary  # before temperature scaling, at a threshold of 0.5
    fp32: ModelSummary
    baseline: BaselineMetrics
    previous: PreviousComparison | None
    groups: int  # of the test rows: stories, or equal texts
    errors: ErrorCounts
    repeats: Repeats
    also: dict[str, FurtherSummary]  # by the name of the further file
    usefulness: Usefulness
    calibration_rows: int  # validation rows that temperatures and thresholds were chosen on
    calibration: tuple[CalibrationChoice, ...] = ()  # if further files share in temperatures

    @property
    def temperatures(self) -> tuple[float, ...]:
        """The temperature of each label, in output order."""
        return tuple(choice.temperature for choice in self.choices.values())

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The threshold of each label, in output order."""
        return tuple(choice.threshold for choice in self.choices.values())
