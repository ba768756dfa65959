"""The report of a model: ``report.md`` and its plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray

from inference.model.bundle import Manifest
from training.atomic import replacing, write_text
from training.evaluate import metrics

matplotlib.use("agg")  # plots go to files; no screen is needed

from matplotlib import pyplot as plt
from matplotlib.figure import Figure


def write(
    folder: Path,
    record: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    manifest: Manifest | None = None,
) -> None:
    """Write ``report.md``; the int8 rows are there once the model is exported."""
    settings, rows, model = record["settings"], record["rows"], evaluation["fp32"]
    baseline, previous = evaluation["baseline"], evaluation["previous"]
    errors = evaluation["errors"]
    models = [("DistilBERT, fp32", model)]
    if manifest:
        models.append(("DistilBERT, int8 bundle", manifest.metrics["int8"]))
    differences = [
        (f"{name} against {baseline['name']}", m["against_baseline"]) for name, m in models
    ]
    if previous:
        differences.append((f"DistilBERT, fp32 against published {previous['version']}", previous))
    sections = [
        f"# {settings['task']}: {', '.join(record['labels'])}",
        f"{_made(record)} on {rows['train']:,} rows; temperature "
        f"{evaluation['temperature']:.3f} fitted on "
        f"{rows['validation']:,} validation rows. The figures are of {model['texts']:,} test rows, "
        f"split by {record['split']}, that nothing was trained or fitted on. In brackets are 95 % "
        f"intervals by bootstrap over the {evaluation['groups']:,} groups of these rows (stories, "
        "or equal texts), since rows of one group are right or wrong together; McNemar's test "
        "takes them for independent.",
        models_table([(baseline["name"], baseline), *models]),
        differences_table(differences),
        f"Calibration error before temperature scaling: "
        f"{evaluation['uncalibrated']['calibration_error']:.4f} (fp32).",
        "## Slices",
        slices_table(evaluation["slices"], "DistilBERT, fp32", baseline["name"]),
        "## Labels",
        _labels_table(models[-1][1]["per_label"]),
        f"True label by row, predicted label by column ({models[-1][0]}):",
        _confusion_table(models[-1][1]["confusion"], record["labels"]),
        "![Confusion matrix](confusion.png) ![Reliability](reliability.png)",
        f"Of the {errors['texts']:,} errors (fp32) {errors['confident']:,} are made with a "
        f"confidence of {errors['confidence']:.0%} or more.",
        "## Repeats and conflicts",
        _repeats_table(evaluation["repeats"]),
        "Texts are equal if they are so without case and punctuation. Outvoted rows have another "
        "label than most rows of their text: no classifier of texts is right about all rows.",
    ]
    for name, other in evaluation["also"].items():
        sections += [
            f"## {name}",
            f"The {other['texts']:,} rows of another file.",
            models_table([("DistilBERT, fp32", other)]),
        ]
    if manifest:
        sections += ["## Gate", *gate_lines(manifest.quantization)]
    write_text(folder / "report.md", "\n\n".join(sections) + "\n")


def gate_lines(quantization: Mapping[str, Any]) -> list[str]:
    """What the accuracy gate of the export saw, in words."""
    return [
        f"int8 against fp32 on the test rows: accuracy {quantization['accuracy_drop']:+.2f} "
        f"points of loss (at most {quantization['max_accuracy_drop']} allowed), "
        f"{quantization['agreement']:.2f} % of labels agree (at least "
        f"{quantization['min_agreement']} % required), largest change of a probability "
        f"{quantization['max_change']:.3f}.",
        f"Bundle: {quantization['bundle_bytes'] / 1e6:.1f} MB, "
        f"fp32 weights {quantization['weights_bytes'] / 1e6:.1f} MB.",
    ]


def plot(
    folder: Path,
    before: metrics.Probabilities,
    after: metrics.Probabilities,
    truth: NDArray[np.int64],
    names: Sequence[str],
) -> None:
    """Write ``confusion.png`` and ``reliability.png``."""
    matrix = metrics.confusion(after.argmax(axis=1), truth, len(names))
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(5, 4.4), layout="constrained")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true", title="Share of each true label")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    for (row, column), share in np.ndenumerate(shares):
        shade = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{share:.1%}", ha="center", va="center", color=shade)
    _save(figure, folder / "confusion.png")

    figure, (axes, below) = plt.subplots(
        2, sharex=True, figsize=(5, 5.5), height_ratios=(4, 1), layout="constrained"
    )
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfect")
    for label, probabilities in (("before", before), ("after", after)):
        bins = metrics.reliability(probabilities, truth)
        error = metrics.calibration_error(probabilities, truth)
        text = f"{label} temperature scaling, error {error:.3f}"
        axes.plot([b[0] for b in bins], [b[1] for b in bins], marker="o", label=text)
        below.hist(probabilities.max(axis=1), bins=15, range=(0, 1), histtype="step")
    axes.set(ylabel="accuracy", title="Reliability", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left", fontsize="small")
    below.set(xlabel="confidence", ylabel="texts")
    _save(figure, folder / "reliability.png")


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    plt.close(figure)


def _made(record: Mapping[str, Any]) -> str:
    base = f"`{Path(record['settings']['base_model']).name}`"
    if "soup" in record:
        share = f" and {record['base_share']:.0%} of that itself," if record["base_share"] else ""
        return f"Mean of {len(record['soup'])} models fine-tuned from {base},{share} each trained"
    how = f"Fine-tuned from {base} in {record['steps']:,} steps"
    return how + (" beside teachers' answers" if record["settings"].get("teachers") else "")


def models_table(models: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """A row a model; a linear one has no probabilities, hence neither loss nor calibration."""
    rows = [
        (
            name,
            f"{found['accuracy']:.2%} ({_percents(found['accuracy_interval'])})",
            f"{found['macro_f1']:.4f} ({_fractions(found['macro_f1_interval'])})",
            *(
                f"{found[key]:.4f}" if key in found else ""
                for key in ("log_loss", "calibration_error")
            ),
        )
        for name, found in models
    ]
    return _table(("model", "accuracy", "macro-F1", "log loss", "calibration error"), rows)


def differences_table(differences: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """A row for each pair of models that were compared on the same texts."""
    rows = [
        (
            name,
            _difference(found),
            f"{found['only_right']:,}",
            f"{found['other_only_right']:,}",
            f"{found['mcnemar_p']:.2g}",
        )
        for name, found in differences
    ]
    header = (
        "first against second",
        "points",
        "only first right",
        "only second right",
        "McNemar p",
    )
    return _table(header, rows)


def slices_table(slices: Sequence[Mapping[str, Any]], name: str, other: str) -> str:
    """A row for each slice of the texts, with the accuracy of both models."""
    rows = [
        (
            found["name"],
            f"{found['texts']:,}",
            f"{found['accuracy']:.2%} ({_percents(found['accuracy_interval'])})",
            f"{found['other_accuracy']:.2%}",
            _difference(found),
        )
        for found in slices
    ]
    return _table(("slice", "texts", name, other, "points between"), rows)


def _difference(found: Mapping[str, Any]) -> str:
    low, high = found["difference_interval"]
    return f"{100 * found['difference']:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"


def _percents(interval: Sequence[float]) -> str:
    return f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f}"


def _fractions(interval: Sequence[float]) -> str:
    return f"{interval[0]:.4f} to {interval[1]:.4f}"


def _repeats_table(repeats: Mapping[str, Mapping[str, int]]) -> str:
    names = ("rows", "texts", "conflicting_texts", "conflicting_rows", "outvoted_rows")
    header = ("", "rows", "different texts", "texts of several labels", "rows of these", "outvoted")
    return _table(
        header, [(part, *(f"{found[n]:,}" for n in names)) for part, found in repeats.items()]
    )


def _labels_table(per_label: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        (name, f"{s['precision']:.4f}", f"{s['recall']:.4f}", f"{s['f1']:.4f}", f"{s['texts']:,}")
        for name, s in per_label.items()
    ]
    return _table(("label", "precision", "recall", "F1", "texts"), rows)


def _confusion_table(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    rows = [
        (name, *(f"{count:,}" for count in line)) for name, line in zip(names, matrix, strict=True)
    ]
    return _table(("", *names), rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
