"""The report of a model that may give a text several labels: next to the baseline, in Markdown."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from training.atomic import write_text
from training.data.split import LEAST_TEST_ROWS, explain_few_rows
from training.evaluate import tables
from training.evaluate.judgement import (
    LEAST_CALIBRATION_ROWS,
    REMEDIES,
    REMEDY,
    give_verdict,
    list_small_calibrations,
    list_unread,
    list_untested,
)
from training.evaluate.multi_label.results import (
    CalibrationChoice,
    Comparison,
    Elsewhere,
    FurtherSummary,
    LabelChoice,
    Metrics,
    MultiLabelEvaluation,
    Summary,
)
from training.evaluate.report import (
    FP32,
    MOST_LABELS,
    RELIABILITY_PLOT,
    REPORT,
    describe_method,
    describe_reading,
    describe_training,
    introduce_further,
    name_calibration_files,
)
from training.evaluate.results import Interval
from training.fit.record import TrainingRecord
from training.labels.names import name_some, shorten
from training.multi_label import LEAST_ROWS_OF_LABEL

MOST_TIMES_LABELS = 1.5  # more or fewer labels than texts have, by this factor, are a caution
WORDS = (
    "Micro-F1 counts all decisions about all labels together; macro-F1 is the mean of the labels' "
    "own F1 scores, so that rare ones count as much. Subset accuracy is the share of texts whose "
    "labels are all right, none missing and none too many. Ranking precision (label ranking "
    "average precision) says how far up the true labels are, whatever the thresholds."
)


def write_report(folder: Path, record: TrainingRecord, evaluation: MultiLabelEvaluation) -> None:
    """Write `report.md` into a model folder; it shows the plot that lies there."""
    sections = [
        f"# {tables.escape(record.settings.task)}: {tables.escape(name_some(record.labels))}",
        judge(record, evaluation),
        _introduce(record, evaluation),
        describe_method(record),
        describe_reading(record),
        *_compare_models(evaluation),
        *describe_labels(evaluation.fp32),
        *_describe_choices(evaluation),
        *_describe_calibration(evaluation.calibration),
        *_describe_errors(evaluation),
        "## Repeats and conflicts",
        tables.format_repeats(evaluation.repeats),
        "Texts count as equal if they differ only in case and plain punctuation. Different sets of "
        "labels count as different labels, and an outvoted row has another set than most rows with "
        "its text.",
    ]
    for name, measured in evaluation.also.items():
        sections += [f"## {tables.escape(name)}", *_describe_further(measured)]
    write_text(folder / REPORT, "\n\n".join(filter(None, sections)) + "\n")


def judge(record: TrainingRecord, evaluation: MultiLabelEvaluation) -> str:
    """Say in a paragraph whether to use the model, why, and what to mind."""
    useful, fp32 = evaluation.usefulness, evaluation.fp32
    baseline = useful.against_baseline
    low, high = baseline.difference_interval
    sentences = [
        give_verdict(useful, useful.against_constant.difference_interval, "the same labels"),
        f"Its micro-F1 on {fp32.texts:,} test rows is {fp32.micro_f1:.4f}, that of the linear "
        f"baseline {baseline.other_micro_f1:.4f} (a difference of {baseline.difference:+.4f}, 95 % "
        f"interval {low:+.4f} to {high:+.4f}), and that of always answering "
        f"{tables.escape(name_some(useful.against_constant.labels))} "
        f"{useful.against_constant.other_micro_f1:.4f}.",
    ]
    if useful.faults or useful.constancy:
        sentences.append(REMEDY.format(remedy=REMEDIES[record.settings.method]))
    sentences += map(tables.escape, list_cautions(fp32))
    rare = [name for name, choice in evaluation.choices.items() if _is_rare(choice)]
    if rare:
        sentences.append(
            f"{tables.escape(name_some(rare))}: too few validation rows to choose a threshold "
            "for each, so they share one."
        )
    if evaluation.calibration_rows < LEAST_CALIBRATION_ROWS:
        sentences.append(
            f"{evaluation.calibration_rows:,} validation rows are too few to calibrate on, so "
            f"probabilities are only rough; {LEAST_CALIBRATION_ROWS} would do."
        )
    return " ".join([*sentences, *list_small_calibrations(evaluation.also), *list_unread(record)])


def list_cautions(measured: Summary) -> list[str]:
    """List what to mind: labels never given rightly, too many or few of them, few test rows."""
    missing = [name for name, each in measured.per_label.items() if each.texts and not each.recall]
    cautions = [f"It never gives {name_some(missing)} to a text that has it."] if missing else []
    cautions += list_untested(measured.per_label)
    has, gets = measured.labels_per_text, measured.predicted_per_text
    if max(has, gets) > MOST_TIMES_LABELS * min(has, gets):
        cautions.append(f"It gives a text {gets:.2f} labels on average, but texts have {has:.2f}.")
    if measured.texts < LEAST_TEST_ROWS:
        few = explain_few_rows(measured.texts)
        cautions.append(f"{few[0].upper()}{few[1:]}.")
    return cautions


def _is_rare(choice: LabelChoice) -> bool:
    return choice.validation_rows < LEAST_ROWS_OF_LABEL


def _introduce(record: TrainingRecord, evaluation: MultiLabelEvaluation) -> str:
    files = name_calibration_files(evaluation.also)
    return (
        f"Texts may have several labels, or none. {describe_training(record)} on "
        f"{record.rows.train:,} rows. Temperatures and thresholds were chosen on "
        f"{record.rows.validation:,} validation rows"
        f"{f', and the temperatures also on {files}' if files else ''}. "
        f"All figures come from {evaluation.fp32.texts:,} test rows (split: {record.split}), on "
        "which nothing was trained or chosen. Brackets hold 95 % intervals, bootstrapped over the "
        f"{evaluation.groups:,} groups of these rows (stories, or equal texts)."
    )


def _compare_models(evaluation: MultiLabelEvaluation) -> list[str]:
    baseline, previous = evaluation.baseline, evaluation.previous
    comparisons: list[tuple[str, Comparison]] = [
        (f"{FP32} against {baseline.name}", evaluation.fp32.against_baseline)
    ]
    if previous:
        comparisons.append((f"{FP32} against published {previous.version}", previous))
    return [
        format_models([(baseline.name, baseline), (FP32, evaluation.fp32)]),
        format_comparisons(comparisons),
        WORDS,
        f"Before scaling, at a threshold of 0.5, micro-F1 is "
        f"{evaluation.uncalibrated.micro_f1:.4f} and the calibration error "
        f"{evaluation.uncalibrated.calibration_error:.4f}.",
    ]


def describe_labels(measured: Summary) -> list[str]:
    """Describe each label, the worst first, and how many labels texts have and get."""
    names = dict(zip(measured.per_label, shorten(list(measured.per_label)), strict=True))
    worst = sorted(measured.per_label.items(), key=lambda item: (not item[1].texts, item[1].f1))
    count = len(worst)
    title = "## Labels, the worst first"
    if count > MOST_LABELS:
        title = f"## The {MOST_LABELS} worst of {count:,} labels"
    return [
        title,
        tables.format_labels({names[name]: each for name, each in worst[:MOST_LABELS]}),
        f"A text has {measured.labels_per_text:.2f} labels on average, and gets "
        f"{measured.predicted_per_text:.2f}; {measured.without_label:,} of {measured.texts:,} "
        "texts get none.",
    ]


def _describe_choices(evaluation: MultiLabelEvaluation) -> list[str]:
    shown = list(evaluation.choices.items())[:MOST_LABELS]
    rows = [
        (name, f"{each.threshold:.3f}", f"{each.temperature:.3f}", f"{each.validation_rows:,}")
        for name, each in shown
    ]
    rest = len(evaluation.choices) - len(shown)
    return [
        "## Thresholds",
        "A text gets a label from this probability on, which is the logit's after division by the "
        "temperature:",
        tables.format_table(("label", "threshold", "temperature", "validation rows"), rows),
        f"The other {rest:,} are in `evaluation.json`." if rest else "",
        f"![Reliability]({RELIABILITY_PLOT})",
    ]


def _describe_calibration(choices: Sequence[CalibrationChoice]) -> list[str]:
    """Show what the choice of the temperatures costs on some rows and gains on others."""
    if not choices:
        return []
    rows = [
        (
            choice.fitted_on,
            f"{min(choice.temperatures):.3f} to {max(choice.temperatures):.3f}",
            *(f"{error:.4f}" for error in choice.errors.values()),
        )
        for choice in choices
    ]
    return [
        "## Calibration",
        "Each temperature has the least mean of the log losses on all sources that have its label. "
        "Thresholds are chosen on validation rows alone. Calibration errors on rows that the "
        "temperatures were not fitted on:",
        tables.format_table(("fitted on", "temperatures", *choices[0].errors), rows),
    ]


def _describe_further(measured: FurtherSummary) -> list[str]:
    """Describe a model on a further file."""
    name = f"{FP32} against {measured.baseline.name}"
    return [
        introduce_further(measured, "temperatures were"),
        _describe_whole(measured.whole) if measured.whole else "",
        format_models([(measured.baseline.name, measured.baseline), (FP32, measured)]),
        format_comparisons([(name, measured.against_baseline)]),
    ]


def _describe_whole(whole: Comparison) -> str:
    """Say how good model and baseline are on all rows of a file that was calibrated on."""
    return (
        f"On all of its {whole.texts:,} rows (no threshold was chosen on them), micro-F1 is "
        f"{whole.micro_f1:.4f}, and {whole.other_micro_f1:.4f} for the linear baseline, a "
        f"difference of {_with_interval(whole.difference, whole.difference_interval, sign='+')}."
    )


def format_elsewhere(files: Iterable[Elsewhere]) -> str:
    """Format one row per further file that a bundle was measured on."""
    rows = [
        (
            file.name,
            f"{file.texts:,}",
            _with_interval(file.micro_f1, file.micro_f1_interval),
            f"{file.baseline_micro_f1:.4f}",
            _with_interval(file.difference, file.difference_interval, sign="+"),
            tables.format_calibration_error(file),
        )
        for file in files
    ]
    columns = ("texts", "micro-F1", "baseline", "difference", "calibration error")
    return tables.format_table(("file", *columns), rows)


def _describe_errors(evaluation: MultiLabelEvaluation) -> list[str]:
    errors = evaluation.errors
    return [
        f"{errors.texts:,} of {evaluation.fp32.texts:,} texts have an error: {errors.missing:,} "
        f"labels are missing, and {errors.wrong:,} are wrong. The surest ones are in `errors.csv`, "
        "which quotes the data.",
    ]


def format_models(models: Iterable[tuple[str, Metrics]]) -> str:
    """Format one row per model; a linear model has neither log loss nor calibration error."""
    rows = [
        (
            name,
            *(
                _with_interval(value, interval)
                for value, interval in (
                    (each.micro_f1, each.micro_f1_interval),
                    (each.macro_f1, each.macro_f1_interval),
                    (each.accuracy, each.accuracy_interval),
                    (each.ranking_precision, each.ranking_precision_interval),
                )
            ),
            f"{each.log_loss:.4f}" if isinstance(each, Summary) else "",
            _with_interval(each.calibration_error, each.calibration_error_interval)
            if isinstance(each, Summary)
            else "",
        )
        for name, each in models
    ]
    columns = ("micro-F1", "macro-F1", "subset accuracy", "ranking precision")
    return tables.format_table(("model", *columns, "log loss", "calibration error"), rows)


def format_comparisons(comparisons: Iterable[tuple[str, Comparison]]) -> str:
    """Format one row per pair of models; the names say "first against second"."""
    rows = [
        (
            name,
            _with_interval(each.difference, each.difference_interval, sign="+"),
            _with_interval(each.macro_f1_difference, each.macro_f1_interval, sign="+"),
            _with_interval(each.accuracy_difference, each.accuracy_interval, sign="+"),
        )
        for name, each in comparisons
    ]
    columns: Sequence[str] = ("micro-F1", "macro-F1", "subset accuracy")
    return tables.format_table(("first against second", *columns), rows)


def _with_interval(value: float, interval: Interval, sign: str = "") -> str:
    low, high = interval
    return f"{value:{sign}.4f} ({low:{sign}.4f} to {high:{sign}.4f})"
