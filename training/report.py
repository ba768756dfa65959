"""The report of a model: ``report.md`` and its plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray

from inference.bundle import Manifest
from training import metrics
from training.atomic import replacing, write_text

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
    models = [("DistilBERT, fp32", model)]
    if manifest:
        models.append(("DistilBERT, int8 bundle", manifest.metrics["int8"]))
    sections = [
        f"# {settings['task']}: {', '.join(record['labels'])}",
        f"Fine-tuned from `{Path(settings['base_model']).name}` on {rows['train']:,} rows, "
        f"{record['steps']:,} steps; temperature {evaluation['temperature']:.3f} fitted on "
        f"{rows['validation']:,} validation rows. The figures are of {model['texts']:,} test rows, "
        f"split by {record['split']}, that took no part in any choice.",
        _models_table(evaluation["baseline"], models),
        f"Calibration error before temperature scaling: "
        f"{evaluation['uncalibrated']['calibration_error']:.4f} (fp32).",
        "## Labels",
        _labels_table(models[-1][1]["per_label"]),
        f"True label by row, predicted label by column ({models[-1][0]}):",
        _confusion_table(models[-1][1]["confusion"], record["labels"]),
        "![Confusion matrix](confusion.png) ![Reliability](reliability.png)",
    ]
    for name, other in evaluation["also"].items():
        sections += [
            f"## {name}",
            f"The {other['texts']:,} rows of another file.",
            _models_table(None, [("DistilBERT, fp32", other)]),
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
    figure, axes = plt.subplots(figsize=(5, 4.4))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true", title="Share of each true label")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    for (row, column), share in np.ndenumerate(shares):
        shade = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{share:.1%}", ha="center", va="center", color=shade)
    _save(figure, folder / "confusion.png")

    figure, axes = plt.subplots(figsize=(5, 4.4))
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfect")
    for label, probabilities in (("before", before), ("after", after)):
        bins = metrics.reliability(probabilities, truth)
        error = metrics.calibration_error(probabilities, truth)
        text = f"{label} temperature scaling, error {error:.3f}"
        axes.plot([b[0] for b in bins], [b[1] for b in bins], marker="o", label=text)
    axes.set(xlabel="confidence", ylabel="accuracy", title="Reliability", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left", fontsize="small")
    _save(figure, folder / "reliability.png")


def _save(figure: Figure, path: Path) -> None:
    figure.tight_layout()
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    plt.close(figure)


def _models_table(
    baseline: Mapping[str, Any] | None, models: Sequence[tuple[str, Mapping[str, Any]]]
) -> str:
    rows = []
    if baseline:
        right, f1 = f"{baseline['accuracy']:.2%}", f"{baseline['macro_f1']:.4f}"
        rows.append((baseline["name"], right, f1, "", ""))
    for name, found in models:
        rows.append(
            (
                name,
                f"{found['accuracy']:.2%}",
                f"{found['macro_f1']:.4f}",
                f"{found['log_loss']:.4f}",
                f"{found['calibration_error']:.4f}",
            )
        )
    return _table(("model", "accuracy", "macro-F1", "log loss", "calibration error"), rows)


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
