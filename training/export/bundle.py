"""Turn a trained model into a bundle: ONNX, int8, manifest, behind an accuracy gate."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
from msgspec.structs import asdict
from tokenizers import Tokenizer

from inference.drift.held_out import measure_reference
from inference.model.bundle import (
    MANIFEST,
    TOKENIZER,
    Bundle,
    BundleError,
    ClassifierSpec,
    FileEntry,
    Manifest,
    parse_manifest,
    version_of,
)
from inference.model.classifier import Classifier
from inference.model.labelling import Labelling
from training.atomic import OutputError, naming, require_writable
from training.data.examples import clusters_of
from training.data.label_cells import choose_separator
from training.evaluate.elsewhere import measure_bundle
from training.evaluate.multi_label.elsewhere import measure_bundle as measure_multi_label_bundle
from training.evaluate.multi_label.results import MultiLabelEvaluation
from training.evaluate.predictions import answer_texts, classify, stack_probabilities
from training.evaluate.results import Evaluation
from training.export.abstention import (
    NEVER,
    AbstentionFigures,
    AbstentionOptions,
    choose_limits,
    measure_abstention,
    read_other_texts,
)
from training.export.abstention_page import describe_abstention
from training.export.examples import make_examples
from training.export.gate import Passed, pass_gate
from training.export.graph import require_exportable, write_graph
from training.export.multi_label_gate import MultiLabelPassed, pass_multi_label_gate
from training.export.thresholds import Choice
from training.fit import text_model
from training.fit.trained_model import TrainedModel
from training.fit.windows import TextWindows

CALIBRATION_ROWS = 500


def export(
    model: TrainedModel,
    output: Path,
    *,
    allow_worse: bool = False,
    abstention: AbstentionOptions = NEVER,
) -> Bundle:
    """Write the bundle of a trained and evaluated model.

    The classifier that serves labels the test rows with the bundle. What it loses against fp32 is
    written to `gate.md` in the model folder, whether the bundle passes the gate or not.

    Args:
        model: the model.
        output: the folder of the bundle.
        allow_worse: whether to accept a bundle that is worse than a linear model, or than always
            the same answer.
        abstention: when the bundle should abstain.

    Raises:
        ModelError: there is no export for models of its kind, or of its size.
        StaleError: the model is not evaluated.
        OutputError: the output folder holds something other than a bundle, or cannot be written.
        GateError: the bundle lost too much, or is no good; it is not written.
        DataError: texts of another kind cannot be read.
        ThresholdError: no label reaches the precision that was asked for.
    """
    require_exportable(model.folder)
    evaluation = _read_evaluation(model)
    others = read_other_texts(abstention, model)
    _require_replaceable(output)
    require_writable(output.parent)
    require_writable(model.folder)
    with naming(output), _temporary_folder(output) as temporary:
        folder = Path(temporary) / "bundle"
        folder.mkdir()
        max_length = write_tokenizer(model.folder, folder)
        rows = _encode_calibration_rows(model, folder)
        graph = write_graph(model.folder, folder, max_length, rows)
        spec = _specify(model, evaluation, max_length)
        choices: list[Choice] = []
        if abstention.is_wanted:
            spec, choices = choose_limits(model, folder, spec, abstention, others)
        files = describe_files(folder)
        texts = [row.text for row in model.rows.test]
        classifier = Classifier(folder, spec, version="int8")
        predictions = classify(classifier, texts)
        figures: AbstentionFigures | None = None
        pages: list[str] = []
        if spec.can_abstain:
            figures = measure_abstention(model, classifier, predictions, choices, others)
            pages = describe_abstention(spec, choices, figures)
        size = sum(file.size for file in files.values())
        passed: Passed | MultiLabelPassed
        if isinstance(evaluation, MultiLabelEvaluation):
            passed = pass_multi_label_gate(
                model,
                evaluation,
                predictions,
                size,
                allow_worse=allow_worse,
                elsewhere=measure_multi_label_bundle(
                    model.folder, model.labels, lambda further: answer_texts(classifier, further)
                ),
            )
        else:
            passed = pass_gate(
                model,
                evaluation,
                predictions,
                size,
                allow_worse=allow_worse,
                elsewhere=measure_bundle(
                    model.folder,
                    model.labels,
                    lambda further: stack_probabilities(classify(classifier, further)),
                ),
                abstention=pages,
            )
        reference = measure_reference(predictions, clusters_of(model.rows.test))
        manifest = Manifest(
            schema_version=spec.schema_needed,
            task=model.dataset.task.name,
            **asdict(spec),
            files=files,
            training=model.record.for_publication(),
            metrics={
                "int8": passed.int8.to_json(),
                "fp32": evaluation.fp32.to_json(),
                "baseline": evaluation.baseline.to_json(),
                **(
                    {"elsewhere": [file.to_json() for file in passed.elsewhere]}
                    if passed.elsewhere
                    else {}
                ),
                **({"abstention": figures.to_json()} if figures else {}),
            },
            quantization=passed.quantization.to_json() | graph.to_json(),
            reference=reference.to_json(),
            examples=make_examples(classifier),
        )
        data = manifest.to_bytes()
        parse_manifest(data)  # checks the limits of all fields
        (folder / MANIFEST).write_bytes(data)
        put_in_place(folder, output, Path(temporary) / "old")  # removed with the temporary folder
    return Bundle(output, manifest, version_of(data))


def _read_evaluation(model: TrainedModel) -> Evaluation | MultiLabelEvaluation:
    kind = MultiLabelEvaluation if model.dataset.task.is_multi_label else Evaluation
    return kind.read(model.folder)


def _specify(
    model: TrainedModel, evaluation: Evaluation | MultiLabelEvaluation, max_length: int
) -> ClassifierSpec:
    """Say how the bundle turns texts into labels."""
    if isinstance(evaluation, Evaluation):
        return ClassifierSpec(
            labels=model.labels,
            max_length=max_length,
            temperature=evaluation.temperature,
            windows=model.record.windows,
        )
    names = model.labels
    labelling = Labelling(
        separator=model.dataset.task.layout.label_separator or choose_separator(names),
        temperatures=dict(zip(names, evaluation.temperatures, strict=True)),
        thresholds=dict(zip(names, evaluation.thresholds, strict=True)),
    )
    return ClassifierSpec(
        labels=names,
        max_length=max_length,
        temperature=1.0,
        labelling=labelling,
        windows=model.record.windows,
    )


def _temporary_folder(output: Path) -> tempfile.TemporaryDirectory[str]:
    output.parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.")


def _require_replaceable(output: Path) -> None:
    if output.exists() and not _is_bundle(output):
        raise OutputError(
            f"{output} exists and is not a bundle, or has other files, too: choose another --output"
        )


def _is_bundle(folder: Path) -> bool:
    """Tell whether a folder holds a bundle and nothing else, so that nothing else is deleted."""
    try:
        manifest = parse_manifest((folder / MANIFEST).read_bytes())
    except (OSError, BundleError):
        return False
    return {file.name for file in folder.iterdir()} <= {MANIFEST, *manifest.files}


def put_in_place(new: Path, output: Path, old: Path) -> None:
    """Rename a new folder to ``output``, and an earlier one there to ``old``.

    If that fails or is interrupted, the earlier one stays.
    """
    try:
        if output.exists():
            output.rename(old)
        new.rename(output)
    except BaseException:
        if old.exists() and not output.exists():
            old.rename(output)
        raise


def write_tokenizer(source: Path, folder: Path) -> int:
    """Write a self-contained `tokenizer.json` and return its limit in wordpieces."""
    tokenizer = Tokenizer.from_file(str(source / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.save(str(folder / TOKENIZER), pretty=False)
    return int(tokenizer.truncation["max_length"])


def _encode_calibration_rows(model: TrainedModel, folder: Path) -> list[list[int]]:
    """Return the token ids of a few random training rows, from the bundle's tokenizer.

    If long texts are read in windows, these are random windows of the rows.
    """
    random = np.random.default_rng(model.record.settings.seed)
    rows = random.permutation(len(model.rows.train))[:CALIBRATION_ROWS]
    texts = [model.rows.train[row].text for row in rows]
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    windows = model.record.windows
    if windows is None:
        return text_model.encode(tokenizer, texts)
    token_ids = TextWindows.encode(tokenizer, texts, windows.most).token_ids
    return [token_ids[row] for row in random.permutation(len(token_ids))[:CALIBRATION_ROWS]]


def describe_files(folder: Path) -> dict[str, FileEntry]:
    """Return the size and digest of each file in a folder."""
    contents = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
    return {
        name: FileEntry(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in contents.items()
    }
