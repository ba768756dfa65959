"""The report of a model, `report.md`: the fp32 model next to the baseline."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from training.atomic import write_text
from training.evaluate import tables
from training.evaluate.confusion import list_confusions
from training.evaluate.judgement import judge_model
from training.evaluate.multi_label.results import FurtherSummary as MultiLabelFurtherSummary
from training.evaluate.plots import name_ticks, number_label
from training.evaluate.results import (
    Evaluation,
    FurtherSummary,
    LabelMetrics,
    LabelNoise,
    Metrics,
    PairedComparison,
    Summary,
)
from training.evaluate.yardstick import describe_yardstick
from training.fit.record import TrainingRecord
from training.labels.names import name_some, shorten

REPORT, CONFUSION_PLOT, RELIABILITY_PLOT = "report.md", "confusion.png", "reliability.png"
COVERAGE_PLOT = "coverage.png"
CONFUSIONS, LABELS = "confusion.csv", "labels.csv"
FEW_LABELS = 10  # whose confusion matrix fits a page as text
MOST_LABELS, MOST_CONFUSIONS = 20, 20  # rows of a table
FP32 = "fp32 model"


def write_report(folder: Path, record: TrainingRecord, evaluation: Evaluation) -> None:
    """Write `report.md` into a model folder; it shows the plots that lie there."""
    sections = [
        f"# {tables.escape(record.settings.task)}: {tables.escape(name_some(record.labels))}",
        judge_model(record, evaluation),
        _introduce(record, evaluation),
        describe_method(record),
        describe_reading(record),
        *_compare_models(evaluation),
        *_describe_labels(evaluation),
        *_describe_slices(evaluation),
        *_describe_repeats(evaluation),
        *_describe_calibration(evaluation),
        *_describe_coverage(evaluation),
        *describe_yardstick(evaluation.against, FP32),
    ]
    for name, measured in evaluation.also.items():
        sections += [f"## {tables.escape(name)}", *_describe_further(measured, FP32)]
    write_text(folder / REPORT, "\n\n".join(filter(None, sections)) + "\n")


def _introduce(record: TrainingRecord, evaluation: Evaluation) -> str:
    return (
        f"{describe_training(record)} on {record.rows.train:,} rows. The temperature, "
        f"{evaluation.temperature:.3f}, was fitted on {record.rows.validation:,} validation rows"
        f"{_add_calibration_files(evaluation)}. "
        f"All figures come from {evaluation.fp32.texts:,} test rows (split: {record.split}), on "
        "which nothing was trained or fitted. Brackets hold 95 % intervals, bootstrapped over the "
        f"{evaluation.groups:,} groups of these rows (stories, or equal texts), because the rows "
        "of a group are right or wrong together. McNemar's test treats rows as independent."
    )


def _add_calibration_files(evaluation: Evaluation) -> str:
    files = name_calibration_files(evaluation.also)
    return f", and {files}" if files else ""


def name_calibration_files(
    also: Mapping[str, FurtherSummary] | Mapping[str, MultiLabelFurtherSummary],
) -> str:
    """Name the files that share in the choice of temperatures, with their rows; may be empty."""
    return " and ".join(
        f"{measured.calibration_rows:,} of {tables.escape(name)}"
        for name, measured in also.items()
        if measured.calibration_rows
    )


def describe_training(record: TrainingRecord) -> str:
    """Say how a model was made; on how many rows is to follow."""
    base = f"`{Path(record.settings.base_model).name}`"
    if record.soup:
        return _describe_soup(record, base)
    head = "a logistic head" + (" for each label" if record.settings.is_multi_label else "")
    if record.settings.method == "frozen":
        return f"{base} as it is, under {head} that was fitted"
    if record.settings.method == "contrastive":
        how = f"{base}, fine-tuned on pairs of texts in {record.steps:,} steps"
        return f"{how}, under {head} that was fitted"
    how = f"Fine-tuned from {base}" + (f" in {record.steps:,} steps" if record.steps else "")
    return f"{how}, with teachers," if record.settings.teachers else how


def _describe_soup(record: TrainingRecord, base: str) -> str:
    count = len(record.soup or ())
    models, trained = "A model", "trained"
    if count > 1:
        models, trained = f"Mean of {count} models", "each trained"
    mixed = f", mixed with {record.base_share:.0%} of that itself" if record.base_share else ""
    return f"{models} fine-tuned from {base}{mixed}, {trained}"


def describe_method(record: TrainingRecord) -> str:
    """Say why a method was chosen, if `--method auto` compared some; otherwise empty."""
    if record.comparison is None:
        return ""
    return f"`--method auto` chose {record.comparison.describe()}."


def describe_reading(record: TrainingRecord) -> str:
    """Say how long texts are read, if in windows; otherwise empty."""
    if record.windows is None:
        return ""
    return (
        f"Long texts are read in up to {record.windows.most} overlapping windows; the logits of a "
        f"text are those of its windows, pooled by {record.windows.describe()}."
    )


def _compare_models(evaluation: Evaluation) -> list[str]:
    baseline, previous = evaluation.baseline, evaluation.previous
    differences = [(f"{FP32} against {baseline.name}", evaluation.fp32.against_baseline)]
    if previous:
        differences.append((f"{FP32} against published {previous.version}", previous))
    return [
        tables.format_models([(baseline.name, baseline), (FP32, evaluation.fp32)]),
        tables.format_differences(differences),
        _explain_groups(evaluation),
        "Calibration error before temperature scaling: "
        f"{evaluation.uncalibrated.calibration_error:.4f}.",
    ]


def _explain_groups(evaluation: Evaluation) -> str:
    """Explain the column of the accuracies by group, if there is one."""
    if evaluation.fp32.group_accuracy is None:
        return ""
    return (
        "Group-balanced accuracy is the mean of the accuracies of the groups (stories): one of a "
        "thousand rows counts no more than one of two."
    )


def _describe_labels(evaluation: Evaluation) -> list[str]:
    errors = evaluation.errors
    return [
        *describe_labels(evaluation.fp32),
        f"![Confusion matrix]({CONFUSION_PLOT}) ![Reliability]({RELIABILITY_PLOT})",
        _explain_numbers(list(evaluation.fp32.per_label)),
        f"All labels are in `{LABELS}`, all confusions in `{CONFUSIONS}`.",
        f"{errors.confident:,} of the {errors.texts:,} errors have a confidence of "
        f"{errors.confidence:.0%} or more."
        if errors.texts
        else "There are no errors.",
        explain_errors(errors.noise),
    ]


def explain_errors(noise: LabelNoise | None) -> str:
    """Say how many errors the labels of the data explain; empty if none, or if it is unknown."""
    if noise is None or not (noise.conflicting_errors or noise.mixed_errors):
        return ""
    sentences = [
        f"Of {noise.errors:,} errors, {noise.conflicting_errors:,} are on texts that also appear "
        f"with another label in the data, as do {noise.conflicting_rows:,} of the {noise.rows:,} "
        f"test rows; in {noise.predicted_conflicts:,} of these errors, the model gives that label."
    ]
    if noise.mixed_errors:
        sentences.append(
            f"Another {noise.mixed_errors:,} are among the {noise.mixed_rows:,} rows of groups "
            "(stories) that share a text with rows of another label."
        )
    rest = noise.rows - noise.conflicting_rows - noise.mixed_rows
    right = rest - (noise.errors - noise.conflicting_errors - noise.mixed_errors)
    if rest:
        sentences.append(f"Of the other {rest:,} rows, {right / rest:.2%} are right.")
    return " ".join(sentences)


def describe_labels(model: Summary) -> list[str]:
    """Describe the labels of a model, the worst and the most confused first.

    The gate describes those of a bundle in the same way.
    """
    count = len(model.per_label)
    title = (
        "## Labels, the worst first"
        if count <= MOST_LABELS
        else (f"## The {MOST_LABELS} worst of {count:,} labels")
    )
    sections = [title, tables.format_worst_labels(model, MOST_LABELS)]
    if list_confusions(model.confusion):
        sections += [
            "What is mistaken for what, the most frequent first:",
            tables.format_confusions(model, MOST_CONFUSIONS),
        ]
    if count <= FEW_LABELS:
        sections += [
            "True labels by row, predicted labels by column:",
            tables.format_confusion(model),
        ]
    return sections


def _describe_slices(evaluation: Evaluation) -> list[str]:
    """Describe parts of the test rows, unless these are all alike."""
    if not evaluation.slices:
        return []
    return [
        "## Slices",
        tables.format_slices(evaluation.slices, FP32, evaluation.baseline.name),
    ]


def _explain_numbers(names: Sequence[str]) -> str:
    """Explain the numbers that stand for labels in the plot, whose font lacks characters."""
    shown = name_ticks(names)
    numbered = [
        f"{shown[number]}: {name}"
        for number, name in enumerate(shorten(names))
        if shown[number] == number_label(number)
    ]
    if not numbered:
        return ""
    if len(numbered) > MOST_LABELS:
        return f"The plot names labels by their number, which is their column in `{CONFUSIONS}`."
    return f"In the plot, {tables.escape('; '.join(numbered))}."


def _describe_repeats(evaluation: Evaluation) -> list[str]:
    return [
        "## Repeats and conflicts",
        tables.format_repeats(evaluation.repeats),
        "Texts count as equal if they differ only in case and plain punctuation. An outvoted row "
        "has another label than most rows with its text, so no classifier can be right about all.",
    ]


def _describe_calibration(evaluation: Evaluation) -> list[str]:
    """Show what the choice of the temperature costs on some rows and gains on others."""
    if not evaluation.calibration:
        return []
    return [
        "## Calibration",
        "The temperature has the least mean of the log losses on all sources. Calibration errors "
        "on rows that it was not fitted on:",
        tables.format_calibration(evaluation.calibration),
    ]


def _describe_coverage(evaluation: Evaluation) -> list[str]:
    """Show how often the model is right if it leaves out the texts that it is least sure of."""
    if not evaluation.coverage:
        return []
    return [
        "## Precision against coverage",
        "How often the model is right if texts below some confidence are left to a person:",
        tables.format_coverage(evaluation.coverage),
        f"![Precision against coverage]({COVERAGE_PLOT})",
        "`textclf export --precision` chooses a threshold for each label, on validation rows.",
    ]


def _describe_further(measured: FurtherSummary, model: str) -> list[str]:
    """Describe a model on a further file."""
    sections = [introduce_further(measured, "the temperature was")]
    if measured.whole:
        sections.append(describe_whole(measured.whole))
    rows: list[tuple[str, Metrics]] = [(model, measured)]
    if measured.baseline:
        rows.insert(0, (measured.baseline.name, measured.baseline))
    sections.append(tables.format_models(rows))
    if measured.baseline and measured.against_baseline:
        name = f"{model} against {measured.baseline.name}"
        sections.append(tables.format_differences([(name, measured.against_baseline)]))
    return sections


def describe_whole(whole: PairedComparison) -> str:
    """Say how accurate model and baseline are on all rows of a file that was calibrated on."""
    (low, high), difference = whole.accuracy_interval, 100 * whole.difference
    least, most = whole.difference_interval
    return (
        f"On all of its {whole.texts:,} rows (a temperature changes no label), the accuracy is "
        f"{whole.accuracy:.2%} ({100 * low:.2f} to {100 * high:.2f}), and "
        f"{whole.other_accuracy:.2%} for the linear baseline, a difference of {difference:+.2f} "
        f"points ({100 * least:+.2f} to {100 * most:+.2f})."
    )


def describe_present(per_label: Mapping[str, LabelMetrics]) -> str:
    """Name the labels that texts have; empty if these are all."""
    present = [name for name, label in per_label.items() if label.texts]
    if len(present) == len(per_label):
        return ""
    if not present:
        return (
            "None of them has a label, so F1 says nothing; accuracy is the share of them that "
            "get none."
        )
    return (
        f"They have {len(present)} of the {len(per_label)} labels "
        f"({tables.escape(name_some(present))}), and macro-F1 is the mean over these."
    )


def introduce_further(
    measured: FurtherSummary | MultiLabelFurtherSummary, temperatures: str
) -> str:
    """Say which rows of a further file are measured, and what became of the others.

    Args:
        measured: the summary of the model on the file.
        temperatures: what was fitted on its other rows, if any: "the temperature was".
    """
    texts = f"{measured.texts:,} rows"
    if measured.calibration_rows:
        sentences = [
            f"The {texts} of this file that were not used for calibration; {temperatures} "
            f"fitted on its other {measured.calibration_rows:,}."
        ]
    else:
        sentences = [f"The {texts} of a further file."]
    sentences += filter(None, [describe_present(measured.per_label)])
    if measured.bad_rows:
        sentences.append(f"{measured.bad_rows:,} more could not be used.")
    if measured.known_rows:
        sentences.append(
            f"{measured.known_rows:,} more are left out, because the data set has their text."
        )
    if measured.learnt_rows:
        sentences.append(
            f"The model was trained on the text of {measured.learnt_rows:,} of them, so these "
            "figures flatter it."
        )
    return " ".join(sentences)
