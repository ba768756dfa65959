"""Turn a trained model into a bundle: ONNX, int8, manifest, behind an accuracy gate."""

import hashlib
import shutil
import tempfile
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from inference.drift.held_out import measure_reference
from inference.errors import TextClassifierError
from inference.model.bundle import (
    MANIFEST,
    TOKENIZER,
    Bundle,
    ClassifierSpec,
    FileEntry,
    Manifest,
    version_of,
)
from inference.model.classifier import Classifier
from training.data.examples import clusters_of
from training.evaluate.predictions import classify
from training.evaluate.results import Evaluation
from training.export.gate import pass_gate
from training.export.graph import write_graph
from training.fit import distilbert
from training.fit.trained_model import TrainedModel

CALIBRATION_ROWS = 500


class OutputError(TextClassifierError):
    """The output folder holds something else than a bundle."""


def export(model: TrainedModel, output: Path) -> Bundle:
    """Write the bundle of a trained and evaluated model.

    The classifier that serves labels the test rows with the bundle. What it loses against fp32 is
    written to `gate.md` in the model folder, whether the bundle passes the gate or not.

    Raises:
        StaleError: the model is not evaluated.
        OutputError: the output folder holds something else than a bundle.
        GateError: the bundle lost too much; it is not written.
    """
    evaluation = Evaluation.read(model.folder)
    _require_replaceable(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as temporary:
        folder = Path(temporary) / "bundle"
        folder.mkdir()
        max_length = write_tokenizer(model.folder, folder)
        write_graph(model.folder, folder, max_length, _encode_calibration_rows(model, folder))
        files = describe_files(folder)
        spec = ClassifierSpec(
            labels=model.labels, max_length=max_length, temperature=evaluation.temperature
        )
        texts = [row.text for row in model.rows.test]
        predictions = classify(Classifier(folder, spec, version="int8"), texts)
        passed = pass_gate(model, evaluation, predictions, sum(f.size for f in files.values()))
        reference = measure_reference(predictions, clusters_of(model.rows.test))
        manifest = Manifest(
            task=model.dataset.task.name,
            **dict(spec),
            files=files,
            training=model.record.for_publication(),
            metrics={
                "int8": passed.int8.to_json(),
                "fp32": evaluation.fp32.to_json(),
                "baseline": evaluation.baseline.to_json(),
            },
            quantization=passed.quantization.to_json(),
            reference=reference.model_dump(mode="json"),
        )
        (folder / MANIFEST).write_bytes(manifest.to_bytes())
        if output.exists():
            shutil.rmtree(output)
        folder.rename(output)
    return Bundle(output, manifest, version_of(manifest.to_bytes()))


def _require_replaceable(output: Path) -> None:
    if output.exists() and not (output / MANIFEST).is_file():
        raise OutputError(f"{output} exists and is not a bundle: choose another --output")


def write_tokenizer(source: Path, folder: Path) -> int:
    """Write a self-contained `tokenizer.json` and return its limit in wordpieces."""
    tokenizer = Tokenizer.from_file(str(source / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.save(str(folder / TOKENIZER), pretty=False)
    return int(tokenizer.truncation["max_length"])


def _encode_calibration_rows(model: TrainedModel, folder: Path) -> list[list[int]]:
    """Return the token ids of a few random training rows, from the bundle's tokenizer."""
    random = np.random.default_rng(model.record.settings.seed)
    rows = random.permutation(len(model.rows.train))[:CALIBRATION_ROWS]
    texts = [model.rows.train[row].text for row in rows]
    return distilbert.encode(Tokenizer.from_file(str(folder / TOKENIZER)), texts)


def describe_files(folder: Path) -> dict[str, FileEntry]:
    """Return the size and digest of each file in a folder."""
    contents = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
    return {
        name: FileEntry(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in contents.items()
    }
