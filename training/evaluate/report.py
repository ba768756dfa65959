"""The report of a model, `report.md`: the fp32 model next to the baseline."""

from pathlib import Path

from training.atomic import write_text
from training.evaluate import tables
from training.evaluate.results import Evaluation
from training.fit.record import TrainingRecord

REPORT, CONFUSION_PLOT, RELIABILITY_PLOT = "report.md", "confusion.png", "reliability.png"
FP32 = "DistilBERT, fp32"


def write_report(folder: Path, record: TrainingRecord, evaluation: Evaluation) -> None:
    """Write `report.md` into a model folder; it shows the plots that lie there."""
    sections = [
        f"# {record.settings.task}: {', '.join(record.labels)}",
        _introduce(record, evaluation),
        *_compare_models(evaluation),
        "## Slices",
        tables.format_slices(evaluation.slices, FP32, evaluation.baseline.name),
        *_describe_labels(evaluation),
        *_describe_repeats(evaluation),
    ]
    for name, model in evaluation.also.items():
        sections += [
            f"## {name}",
            f"The {model.texts:,} rows of a further file.",
            tables.format_models([(FP32, model)]),
        ]
    write_text(folder / REPORT, "\n\n".join(sections) + "\n")


def _introduce(record: TrainingRecord, evaluation: Evaluation) -> str:
    return (
        f"{_describe_training(record)} on {record.rows.train:,} rows. The temperature, "
        f"{evaluation.temperature:.3f}, was fitted on {record.rows.validation:,} validation rows. "
        f"All figures come from {evaluation.fp32.texts:,} test rows (split: {record.split}), on "
        "which nothing was trained or fitted. Brackets hold 95 % intervals, bootstrapped over the "
        f"{evaluation.groups:,} groups of these rows (stories, or equal texts), because the rows "
        "of a group are right or wrong together. McNemar's test treats rows as independent."
    )


def _describe_training(record: TrainingRecord) -> str:
    base = f"`{Path(record.settings.base_model).name}`"
    if record.soup:
        share = f" and {record.base_share:.0%} of that itself," if record.base_share else ""
        return f"Mean of {len(record.soup)} models fine-tuned from {base},{share} each trained"
    how = f"Fine-tuned from {base} in {record.steps:,} steps"
    return f"{how}, with teachers," if record.settings.teachers else how


def _compare_models(evaluation: Evaluation) -> list[str]:
    baseline, previous = evaluation.baseline, evaluation.previous
    differences = [(f"{FP32} against {baseline.name}", evaluation.fp32.against_baseline)]
    if previous:
        differences.append((f"{FP32} against published {previous.version}", previous))
    return [
        tables.format_models([(baseline.name, baseline), (FP32, evaluation.fp32)]),
        tables.format_differences(differences),
        "Calibration error before temperature scaling: "
        f"{evaluation.uncalibrated.calibration_error:.4f}.",
    ]


def _describe_labels(evaluation: Evaluation) -> list[str]:
    errors = evaluation.errors
    return [
        "## Labels",
        tables.format_labels(evaluation.fp32.per_label),
        "True labels by row, predicted labels by column:",
        tables.format_confusion(evaluation.fp32),
        f"![Confusion matrix]({CONFUSION_PLOT}) ![Reliability]({RELIABILITY_PLOT})",
        f"{errors.confident:,} of the {errors.texts:,} errors have a confidence of "
        f"{errors.confidence:.0%} or more.",
    ]


def _describe_repeats(evaluation: Evaluation) -> list[str]:
    return [
        "## Repeats and conflicts",
        tables.format_repeats(evaluation.repeats),
        "Texts count as equal if they differ only in case and punctuation. An outvoted row has "
        "another label than most rows with its text, so no classifier can be right about them all.",
    ]
