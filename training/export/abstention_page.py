"""Say in words and tables when a bundle abstains."""

from inference.model.bundle import ClassifierSpec
from training.evaluate.tables import format_table
from training.export.abstention import AbstentionFigures, LabelPrecision
from training.export.thresholds import Choice, describe_unreached
from training.labels.names import shorten


def describe_abstention(
    spec: ClassifierSpec, choices: list[Choice], figures: AbstentionFigures
) -> list[str]:
    """Describe the thresholds of a bundle for the page of the gate."""
    sections = ["## When it abstains", summarise_abstention(figures)]
    thresholds, scope = spec.label_thresholds, spec.out_of_scope
    if thresholds is not None:
        sections += [
            f"Above its threshold, a label is right in {thresholds.precision:.1%} of the cases or "
            f"more, with {thresholds.confidence:.0%} confidence for each label and for texts like "
            "the validation rows, on which the thresholds were chosen. Coverage and precision are "
            "those of the test rows that got the label:",
            _format_labels(figures),
            describe_unreached(choices, thresholds.precision),
        ]
    if scope is not None:
        sections.append(
            f"Texts with an out-of-scope score above {scope.limit:.4g} count as unlike those that "
            f"the model knows, as do {scope.refused:.1%} of the validation rows. "
            + (
                "The score is the energy of the logits."
                if scope.score == "energy"
                else "The score was learned from texts that no label fits."
            )
        )
    if figures.detections:
        sections += [
            "How well the score tells texts of another kind from test rows (AUROC: 1 is always "
            "right, 0.5 is chance), and the maximum probability for comparison:",
            _format_detections(figures),
        ]
    return [section for section in sections if section]


def summarise_abstention(figures: AbstentionFigures) -> str:
    """Say in a sentence what becomes of the test rows."""
    right = "" if figures.precision is None else f", {figures.precision:.1%} of them rightly"
    return (
        f"It answers {figures.answered:.1%} of the test rows{right}, and abstains from "
        f"{figures.low_confidence:.1%} for low confidence and from {figures.out_of_scope:.1%} as "
        "out of scope."
    )


def _format_labels(figures: AbstentionFigures) -> str:
    rows = [
        (
            name,
            "abstains" if each.least_confidence is None else f"{each.least_confidence:.3f}",
            f"{each.validation_rows:,}",
            f"{each.proved:.2%}",
            f"{each.coverage:.1%}",
            _format_precision(each),
        )
        for name, each in zip(
            shorten([each.label for each in figures.labels]), figures.labels, strict=True
        )
    ]
    columns = ("threshold", "validation rows", "proved precision", "coverage", "precision")
    return format_table(("label", *columns), rows)


def _format_precision(each: LabelPrecision) -> str:
    if each.precision is None or each.precision_interval is None:
        return ""
    low, high = each.precision_interval
    return f"{each.precision:.2%} ({100 * low:.2f} to {100 * high:.2f})"


def _format_detections(figures: AbstentionFigures) -> str:
    rows = [
        (
            each.name,
            f"{each.texts:,}",
            f"{each.learnt_from:,}",
            f"{each.auroc:.3f} ({each.auroc_interval.low:.3f} to {each.auroc_interval.high:.3f})",
            f"{each.confidence_auroc:.3f}",
            f"{each.refused:.1%}",
        )
        for each in figures.detections
    ]
    columns = ("texts", "learned from others", "AUROC", "of the maximum probability", "refused")
    return format_table(("file", *columns), rows)
