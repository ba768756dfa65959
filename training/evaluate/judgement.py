"""The judgement of an evaluation in words: whether to use the model, and what to mind."""

from collections.abc import Mapping

from training.data.split import LEAST_TEST_ROWS, explain_few_rows
from training.evaluate.multi_label.results import FurtherSummary as MultiLabelFurtherSummary
from training.evaluate.multi_label.results import Usefulness as MultiLabelUsefulness
from training.evaluate.results import (
    LEAST_GROUPS,
    Evaluation,
    FurtherSummary,
    Interval,
    LabelMetrics,
    Usefulness,
)
from training.evaluate.tables import escape
from training.fit.record import MANY_CUT, MANY_UNKNOWN, TrainingRecord
from training.labels.names import name_some

LEAST_CALIBRATION_ROWS = 100
REMEDY = (
    "{remedy}, add rows of the labels that it misses, or start from a base model that knows the "
    "language."
)
REMEDIES = {
    "fine-tune": "Train longer (--epochs)",
    # More epochs change nothing.
    "contrastive": "Fine-tune encoder and head together (--method fine-tune)",
    "frozen": "Fine-tune the encoder (--method fine-tune)",
}


def judge_model(record: TrainingRecord, evaluation: Evaluation) -> str:
    """Say in a paragraph whether to use a model, why, and what to mind."""
    useful, sentences = evaluation.usefulness, []
    if useful is not None:
        gain = useful.against_majority.difference_interval
        sentences = [give_verdict(useful, gain, "the most frequent label")]
        sentences.append(_compare(useful, evaluation))
        if useful.faults or useful.constancy:
            sentences.append(REMEDY.format(remedy=REMEDIES[record.settings.method]))
    return " ".join([*sentences, *list_cautions(record, evaluation)])


def give_verdict(
    useful: Usefulness | MultiLabelUsefulness, gain_on_constant: Interval, constant: str
) -> str:
    """Say in a sentence whether to use a model.

    Args:
        useful: what it is next to simpler ways to answer.
        gain_on_constant: by how much it is better than always giving the same answer.
        constant: that answer, in words.
    """
    faults = useful.faults or list(filter(None, [useful.constancy]))
    is_certain = useful.groups >= LEAST_GROUPS
    if faults:
        return f"**Do not use this model:** {escape('; '.join(faults))}."
    if is_certain and useful.against_baseline.difference_interval.low > 0:
        return "**This model is worth using:** it is better than the linear baseline."
    if is_certain and gain_on_constant.low > 0:
        return (
            "**This model has learned something, but is not shown to be better than the linear "
            "baseline,** which costs less."
        )
    return (
        "**It is open whether this model is any good:** these test rows do not show that it is "
        f"better than always giving {constant}."
    )


def _compare(useful: Usefulness, evaluation: Evaluation) -> str:
    baseline = useful.against_baseline
    low, high = baseline.difference_interval
    return (
        f"It labels {baseline.accuracy:.1%} of {evaluation.fp32.texts:,} test rows correctly, the "
        f"linear baseline {baseline.other_accuracy:.1%} (a difference of "
        f"{100 * baseline.difference:+.1f} points, 95 % interval {100 * low:+.1f} to "
        f"{100 * high:+.1f}), and always the most frequent label "
        f"{useful.against_majority.other_accuracy:.1%}."
    )


def list_cautions(record: TrainingRecord, evaluation: Evaluation) -> list[str]:
    """List what makes the figures or the model less reliable than they look."""
    useful = evaluation.usefulness
    cautions = [escape(one) for one in list_untested(evaluation.fp32.per_label)]
    if useful and useful.never_predicts:
        count = len(useful.never_predicts)
        which = f"{count:,} labels that test rows have" if count > 1 else "a label"
        names = escape(name_some(useful.never_predicts))
        cautions.append(f"It never predicts {which}: {names}.")
    if evaluation.fp32.texts < LEAST_TEST_ROWS:
        few = explain_few_rows(evaluation.fp32.texts)
        cautions.append(f"{few[0].upper()}{few[1:]}.")
    rows = evaluation.calibration_rows
    if rows is not None and rows < LEAST_CALIBRATION_ROWS:
        cautions.append(
            f"There are too few validation rows ({rows:,}) to calibrate confidences on, so these "
            f"are only rough; {LEAST_CALIBRATION_ROWS} would do."
        )
    return [*cautions, *list_small_calibrations(evaluation.also), *list_unread(record)]


def list_unread(record: TrainingRecord) -> list[str]:
    """List what the model does not read: wordpieces that it does not know, and ends of texts."""
    cautions = []
    if (record.unknown_wordpieces or 0) > MANY_UNKNOWN:
        cautions.append(
            f"{record.unknown_wordpieces:.0%} of the wordpieces are unknown to the base model."
        )
    if (record.cut_texts or 0) > MANY_CUT:
        cautions.append(f"{record.cut_texts:.0%} of the texts are longer than what is read.")
    return cautions


def list_small_calibrations(
    also: Mapping[str, FurtherSummary] | Mapping[str, MultiLabelFurtherSummary],
) -> list[str]:
    """Name the further files that have too few rows to calibrate on, a sentence each."""
    return [
        f"{escape(name)} has too few rows to calibrate on ({measured.calibration_rows:,}), so "
        "confidences on texts like these are only rough."
        for name, measured in also.items()
        if 0 < measured.calibration_rows < LEAST_CALIBRATION_ROWS
    ]


def list_untested(per_label: Mapping[str, LabelMetrics]) -> list[str]:
    """Name the labels that no test row has, in a sentence, if there are any."""
    untested = [name for name, measured in per_label.items() if not measured.texts]
    if not untested:
        return []
    count = len(untested)
    which, has = (f"{count:,} labels are", "them") if count > 1 else ("A label is", "it")
    return [f"{which} not tested, because no test row has {has}: {name_some(untested)}."]
