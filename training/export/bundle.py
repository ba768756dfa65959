"""Turn a trained model into a bundle: ONNX, int8, manifest, behind an accuracy gate.

    python -m training.export.bundle build/news                    # writes build/news/bundle
    python -m training.export.bundle build/news --output my-bundle

What the graph of a bundle looks like stands in ``training/graph.py``. The gate runs
the bundle with the very classifier that serves and refuses (exit code 3) if it has lost
accuracy against fp32 PyTorch.
"""

import argparse
import hashlib
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inference.drift.stability import design_effects
from inference.model.bundle import MANIFEST, TOKENIZER, FileEntry, Manifest, version_of
from inference.model.classifier import Classifier, Prediction
from training.data.examples import DataError, clusters_of, labels_of
from training.evaluate import metrics, report
from training.evaluate.evaluation import Run, StaleError, open_run, read_evaluation
from training.evaluate.head_to_head import classify, probabilities_of
from training.export.graph import write_graph
from training.fit import distilbert
from training.fit.record import public_settings

MAX_ACCURACY_DROP = 0.5  # points
MIN_AGREEMENT = 98.5  # % of labels
CALIBRATION_ROWS = 500
CONFIDENCE_PARTS = 100  # fine, as most confidences are near 1
REFUSED = 3


class GateError(Exception):
    """The quantized model is not as good as it must be."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Export and gate; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.export.bundle",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="a trained and evaluated model")
    parser.add_argument("--output", type=Path, help="the bundle's folder (default: FOLDER/bundle)")
    options = parser.parse_args(arguments)
    output = options.output or options.folder / "bundle"
    try:
        version = export(open_run(options.folder), output)
    except (DataError, StaleError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except GateError as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    print(f"bundle {version} in {output}")
    return 0


def export(run: Run, output: Path) -> str:
    """Write the bundle of a trained model and return its version.

    Raises:
        StaleError: the model is not evaluated, or the output is something else.
        GateError: int8 has lost too much; nothing is written.
    """
    evaluation = read_evaluation(run.folder)
    if output.exists() and not (output / MANIFEST).is_file():
        raise StaleError(f"{output} is there and is no bundle: give another --output")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as temporary:
        folder = Path(temporary) / "bundle"
        folder.mkdir()
        max_length = write_tokenizer(run.folder, folder)
        write_graph(run.folder, folder, max_length, calibration(run, folder))
        draft = Manifest(
            task=run.dataset.task.name,
            labels=run.labels,
            max_length=max_length,
            temperature=evaluation["temperature"],
            files=entries_of(folder),
            training=public_record(run.record),
            metrics={},
            quantization={},
            reference={},
        )
        texts = [row.text for row in run.rows.test]
        predictions = classify(Classifier(folder, draft), texts, "int8")
        int8, comparison = compare(run, evaluation["temperature"], predictions)
        comparison["bundle_bytes"] = sum(file.size for file in draft.files.values())
        comparison["weights_bytes"] = (run.folder / "model.safetensors").stat().st_size
        print("\n".join(report.gate_lines(comparison)))
        gate(comparison)
        manifest = draft.model_copy(
            update={
                "metrics": {
                    "int8": int8,
                    "fp32": evaluation["fp32"],
                    "baseline": evaluation["baseline"],
                },
                "quantization": comparison,
                "reference": reference(predictions, clusters_of(run.rows.test)),
            }
        )
        (folder / MANIFEST).write_bytes(manifest.to_bytes())
        if output.exists():
            shutil.rmtree(output)
        folder.rename(output)
    report.write(run.folder, run.record, evaluation, manifest)
    return version_of(manifest.to_bytes())


def public_record(record: dict[str, Any]) -> dict[str, Any]:
    """How the model was made, with file names in the place of paths of this machine."""
    return {**record, "settings": public_settings(record["settings"])}


def write_tokenizer(source: Path, folder: Path) -> int:
    """Write a self-contained ``tokenizer.json`` and return its limit in wordpieces."""
    tokenizer = Tokenizer.from_file(str(source / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.save(str(folder / TOKENIZER), pretty=False)
    return int(tokenizer.truncation["max_length"])


def calibration(run: Run, folder: Path) -> list[list[int]]:
    """Token ids of a random few training rows, as the bundle's tokenizer makes them."""
    random = np.random.default_rng(run.record["settings"]["seed"])
    rows = random.permutation(len(run.rows.train))[:CALIBRATION_ROWS]
    texts = [run.rows.train[row].text for row in rows]
    return distilbert.encode(Tokenizer.from_file(str(folder / TOKENIZER)), texts)


def compare(
    run: Run, temperature: float, predictions: Sequence[Prediction]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The bundle's own metrics on the test rows, and how far it is from fp32."""
    truth = labels_of(run.rows.test)
    with np.load(run.folder / "predictions.npz", allow_pickle=False) as saved:
        fp32, guesses = metrics.softmax(saved["test"], temperature), saved["baseline"]
    int8 = probabilities_of(predictions)
    same = int8.argmax(axis=1) == fp32.argmax(axis=1)
    drop = metrics.accuracy(fp32.argmax(axis=1), truth) - metrics.accuracy(
        int8.argmax(axis=1), truth
    )
    clusters = clusters_of(run.rows.test)
    found = metrics.summary(int8, truth, run.labels, clusters)
    found["against_baseline"] = metrics.paired(
        int8.argmax(axis=1) == truth, guesses == truth, clusters
    )
    return found, {
        "weights": "7 bits, a scale a column; embeddings 4 bits, a scale a row; "
        "fixed 8-bit ranges of activations",
        "accuracy_drop": 100 * drop,
        "max_accuracy_drop": MAX_ACCURACY_DROP,
        "agreement": 100 * float(same.mean()),
        "min_agreement": MIN_AGREEMENT,
        "max_change": float(np.abs(int8 - fp32).max()),
    }


def gate(comparison: dict[str, Any]) -> None:
    """Refuse a bundle that is not as good as the model it was made from.

    Raises:
        GateError: accuracy dropped or labels differ by more than is allowed.
    """
    if comparison["accuracy_drop"] > MAX_ACCURACY_DROP:
        raise GateError(f"int8 loses {comparison['accuracy_drop']:.2f} points of accuracy")
    if comparison["agreement"] < MIN_AGREEMENT:
        raise GateError(f"int8 agrees with fp32 on {comparison['agreement']:.2f} % of labels")


def reference(predictions: Sequence[Prediction], clusters: NDArray[np.int64]) -> dict[str, Any]:
    """What answers and inputs look like on the test rows, to measure drift by; as shares."""
    texts, tokens = len(predictions), sum(prediction.tokens for prediction in predictions)
    labels = Counter(prediction.label for prediction in predictions)
    confidences = [prediction.confidence for prediction in predictions]
    lengths = Counter(prediction.tokens for prediction in predictions)
    found: dict[str, Any] = {
        "texts": texts,
        "labels": {label: labels[label] / texts for label in predictions[0].probabilities},
        # of equal parts of [0, 1]
        "confidence": (np.histogram(confidences, CONFIDENCE_PARTS, (0, 1))[0] / texts).tolist(),
        "token_length": {str(length): lengths[length] / texts for length in sorted(lengths)},
        # of all tokens
        "unknown_tokens": sum(prediction.unknown_tokens for prediction in predictions) / tokens,
    }
    members: dict[int, list[Prediction]] = {}
    for prediction, cluster in zip(predictions, clusters.tolist(), strict=True):
        members.setdefault(cluster, []).append(prediction)
    return {**found, "design_effects": design_effects(found, list(members.values()))}


def entries_of(folder: Path) -> dict[str, FileEntry]:
    """Size and digest of each file in a folder."""
    contents = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
    return {
        name: FileEntry(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in contents.items()
    }


if __name__ == "__main__":
    sys.exit(main())
