"""The Markdown tables of reports."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence

from training.evaluate.confusion import list_confusions
from training.evaluate.multi_label.results import Elsewhere as MultiLabelElsewhere
from training.evaluate.results import (
    CalibrationChoice,
    CoveragePoint,
    Elsewhere,
    Interval,
    LabelMetrics,
    Metrics,
    PairedComparison,
    Repeats,
    Slice,
    Summary,
)
from training.labels.names import shorten


def format_models(models: Iterable[tuple[str, Metrics]]) -> str:
    """Format one row per model; a linear model has neither log loss nor calibration error.

    There is a column of the accuracies by group if one was measured.
    """
    listed = list(models)
    columns = ["model", "accuracy", "macro-F1", "log loss", "calibration error"]
    rows = [[name, *_format_metrics(model)] for name, model in listed]
    if any(model.group_accuracy is not None for _, model in listed):
        columns.insert(2, "group-balanced accuracy")
        for row, (_, model) in zip(rows, listed, strict=True):
            row.insert(2, _format_group_accuracy(model))
    return format_table(columns, rows)


def _format_metrics(model: Metrics) -> list[str]:
    """Format the figures of a model."""
    low, high = model.macro_f1_interval
    return [
        _accuracy(model.accuracy, model.accuracy_interval),
        f"{model.macro_f1:.4f} ({low:.4f} to {high:.4f})",
        f"{model.log_loss:.4f}" if isinstance(model, Summary) else "",
        _format_calibration_error(model) if isinstance(model, Summary) else "",
    ]


def _format_group_accuracy(model: Metrics) -> str:
    if model.group_accuracy is None or model.group_accuracy_interval is None:
        return ""
    return _accuracy(model.group_accuracy, model.group_accuracy_interval)


def _format_calibration_error(model: Summary) -> str:
    interval = model.calibration_error_interval
    between = f" ({interval.low:.4f} to {interval.high:.4f})" if interval else ""
    return f"{model.calibration_error:.4f}{between}"


def format_calibration(choices: Sequence[CalibrationChoice]) -> str:
    """Format one row per temperature, with the calibration errors that it gives."""
    rows = [
        (
            choice.fitted_on,
            f"{choice.temperature:.3f}",
            *(f"{error:.4f}" for error in choice.errors.values()),
        )
        for choice in choices
    ]
    return format_table(("fitted on", "temperature", *choices[0].errors), rows)


def format_coverage(points: Iterable[CoveragePoint]) -> str:
    """Format one row per point of the curve of precision against coverage."""
    rows = [
        (
            f"{point.coverage:.1%}",
            f"{point.least_confidence:.3f}",
            _accuracy(point.precision, point.precision_interval),
        )
        for point in points
    ]
    return format_table(("texts labelled", "least confidence", "right of these"), rows)


def format_elsewhere(files: Iterable[Elsewhere]) -> str:
    """Format one row per further file."""
    rows = [
        (
            file.name,
            f"{file.texts:,}",
            _accuracy(file.accuracy, file.accuracy_interval),
            f"{file.baseline_accuracy:.2%}",
            _format_difference(file.difference, file.difference_interval),
            format_calibration_error(file),
        )
        for file in files
    ]
    columns = ("texts", "accuracy", "baseline", "points between", "calibration error")
    return format_table(("file", *columns), rows)


def format_calibration_error(file: Elsewhere | MultiLabelElsewhere) -> str:
    """Format the calibration error on a further file; if it is of a part, say of how many texts."""
    interval = file.calibration_error_interval
    rest = f", of {file.calibration_texts:,}" if file.calibrated_on else ""
    return f"{file.calibration_error:.4f} ({interval.low:.4f} to {interval.high:.4f}){rest}"


def format_differences(differences: Iterable[tuple[str, PairedComparison]]) -> str:
    """Format one row per pair of models; the names say "first against second"."""
    rows = [
        (
            name,
            _points(comparison),
            f"{comparison.only_right:,}",
            f"{comparison.other_only_right:,}",
            f"{comparison.mcnemar_p:.2g}",
        )
        for name, comparison in differences
    ]
    columns = ("points", "only first right", "only second right", "McNemar p")
    return format_table(("first against second", *columns), rows)


def format_slices(slices: Iterable[Slice], name: str, other: str) -> str:
    """Format one row per slice, with the accuracy of both models."""
    rows = [
        (
            part.name,
            f"{part.texts:,}",
            _accuracy(part.accuracy, part.accuracy_interval),
            f"{part.other_accuracy:.2%}",
            _points(part),
        )
        for part in slices
    ]
    return format_table(("slice", "texts", name, other, "points between"), rows)


def format_labels(per_label: Mapping[str, LabelMetrics]) -> str:
    """Format one row per label."""
    rows = [
        (name, f"{m.precision:.4f}", f"{m.recall:.4f}", f"{m.f1:.4f}", f"{m.texts:,}")
        for name, m in per_label.items()
    ]
    return format_table(("label", "precision", "recall", "F1", "texts"), rows)


def format_worst_labels(model: Summary, limit: int) -> str:
    """Format one row per label, the worst first; labels that no text has come last."""
    names = dict(zip(model.per_label, shorten(list(model.per_label)), strict=True))
    worst = sorted(model.per_label.items(), key=lambda item: (not item[1].texts, item[1].f1))
    return format_labels({names[name]: metrics for name, metrics in worst[:limit]})


def format_confusions(model: Summary, limit: int) -> str:
    """Format the pairs of labels that are confused most often."""
    names = shorten(list(model.per_label))
    rows = [
        (names[pair.label], names[pair.predicted], f"{pair.texts:,}", f"{pair.share:.1%}")
        for pair in list_confusions(model.confusion)[:limit]
    ]
    return format_table(("true label", "predicted", "texts", "of the label's"), rows)


def format_confusion(model: Summary) -> str:
    """Format a confusion matrix: true labels by row, predicted labels by column."""
    names = shorten(list(model.per_label))
    rows = [
        (name, *(f"{texts:,}" for texts in row))
        for name, row in zip(names, model.confusion, strict=True)
    ]
    return format_table(("", *names), rows)


def format_repeats(repeats: Repeats) -> str:
    """Format one row for the whole file and one for the test rows."""
    rows = [
        (
            name,
            f"{counts.rows:,}",
            f"{counts.texts:,}",
            f"{counts.conflicting_texts:,}",
            f"{counts.conflicting_rows:,}",
            f"{counts.outvoted_rows:,}",
        )
        for name, counts in (("file", repeats.file), ("test", repeats.test))
    ]
    columns = ("rows", "different texts", "texts of several labels", "rows of these", "outvoted")
    return format_table(("", *columns), rows)


def _accuracy(accuracy: float, interval: Interval) -> str:
    return f"{accuracy:.2%} ({100 * interval.low:.2f} to {100 * interval.high:.2f})"


def _points(comparison: PairedComparison) -> str:
    return _format_difference(comparison.difference, comparison.difference_interval)


def _format_difference(difference: float, interval: Interval) -> str:
    low, high = interval
    return f"{100 * difference:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"


def format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table whose first column is text, and the others numbers."""
    rule = ("---", *("---:" for _ in header[1:]))
    lines = [[escape(cell) for cell in cells] for cells in (header, *rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (lines[0], rule, *lines[1:]))


def escape(text: str) -> str:
    """Return text that Markdown shows as it is: labels may hold bars, HTML and links."""
    line = " ".join(text.split())
    # An underscore within a word is one; elsewhere it may begin emphasis.
    return re.sub(
        r"([\\`*\[\]|]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", html.escape(line, quote=False)
    )
