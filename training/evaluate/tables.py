"""The Markdown tables of reports."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence

from training.evaluate.confusion import list_confusions
from training.evaluate.results import (
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
    """Format one row per model; a linear model has neither log loss nor calibration error."""
    rows = [
        (
            name,
            _accuracy(model.accuracy, model.accuracy_interval),
            f"{model.macro_f1:.4f} "
            f"({model.macro_f1_interval.low:.4f} to {model.macro_f1_interval.high:.4f})",
            f"{model.log_loss:.4f}" if isinstance(model, Summary) else "",
            f"{model.calibration_error:.4f}" if isinstance(model, Summary) else "",
        )
        for name, model in models
    ]
    return _table(("model", "accuracy", "macro-F1", "log loss", "calibration error"), rows)


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
    return _table(("first against second", *columns), rows)


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
    return _table(("slice", "texts", name, other, "points between"), rows)


def format_labels(per_label: Mapping[str, LabelMetrics]) -> str:
    """Format one row per label."""
    rows = [
        (name, f"{m.precision:.4f}", f"{m.recall:.4f}", f"{m.f1:.4f}", f"{m.texts:,}")
        for name, m in per_label.items()
    ]
    return _table(("label", "precision", "recall", "F1", "texts"), rows)


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
    return _table(("true label", "predicted", "texts", "of the label's"), rows)


def format_confusion(model: Summary) -> str:
    """Format a confusion matrix: true labels by row, predicted labels by column."""
    names = shorten(list(model.per_label))
    rows = [
        (name, *(f"{texts:,}" for texts in row))
        for name, row in zip(names, model.confusion, strict=True)
    ]
    return _table(("", *names), rows)


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
    return _table(("", *columns), rows)


def _accuracy(accuracy: float, interval: Interval) -> str:
    return f"{accuracy:.2%} ({100 * interval.low:.2f} to {100 * interval.high:.2f})"


def _points(comparison: PairedComparison) -> str:
    low, high = comparison.difference_interval
    return f"{100 * comparison.difference:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
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
