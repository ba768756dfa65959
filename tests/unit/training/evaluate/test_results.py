import json
from pathlib import Path

import pytest

from inference.model.bundle import Manifest
from training.evaluate.results import BaselineMetrics, Evaluation, ModelSummary
from training.fit.record import WEIGHTS, hash_weights
from training.fit.trained_model import StaleError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder with some weights."""
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    return tmp_path


def of_weights(evaluation: Evaluation, folder: Path) -> Evaluation:
    return evaluation.model_copy(update={"weights_sha256": hash_weights(folder)})


def test_the_metrics_of_an_earlier_model_are_read_and_written_unchanged(
    manifest: Manifest,
) -> None:
    metrics = manifest.metrics
    for name in ("int8", "fp32"):
        written = ModelSummary.model_validate(metrics[name]).to_json()
        assert json.dumps(written) == json.dumps(metrics[name])
    written = BaselineMetrics.model_validate(metrics["baseline"]).to_json()
    assert json.dumps(written) == json.dumps(metrics["baseline"])


def test_an_evaluation_is_read_as_it_was_written(evaluation: Evaluation, folder: Path) -> None:
    # GIVEN an evaluation of the weights in a folder
    expected = of_weights(evaluation, folder)
    # WHEN it is written THEN the same one is read
    expected.write(folder)
    assert Evaluation.read(folder) == expected


def test_an_evaluation_of_an_earlier_version_is_read(evaluation: Evaluation, folder: Path) -> None:
    # GIVEN an evaluation on a further file, as 0.2.0 wrote it before there were groups in it
    fp32 = evaluation.fp32.model_dump(mode="json", exclude_none=True)
    written = of_weights(evaluation, folder).model_dump(mode="json")
    written["fp32"] = fp32
    written["also"] = {"a.csv": {name: fp32[name] for name in fp32 if name != "against_baseline"}}
    written["errors"] = {"texts": 3515, "confidence": 0.9, "confident": 390}
    for name in ("calibration", "usefulness", "calibration_rows"):
        del written[name]
    (folder / "evaluation.json").write_text(json.dumps(written))
    # WHEN it is read THEN what was not measured then is None
    read = Evaluation.read(folder)
    assert read.fp32.group_accuracy is None
    assert read.also["a.csv"].baseline is None
    assert read.errors.noise is None


def test_an_evaluation_of_other_weights_is_stale(evaluation: Evaluation, folder: Path) -> None:
    # GIVEN weights that changed after the evaluation
    of_weights(evaluation, folder).write(folder)
    (folder / WEIGHTS).write_bytes(b"other weights")
    # WHEN it is read THEN the error says what to run
    with pytest.raises(StaleError, match=f"run textclf evaluate {folder}"):
        Evaluation.read(folder)


@pytest.mark.parametrize("text", [None, "{}", "{"])
def test_a_model_without_a_whole_evaluation_is_not_evaluated(
    text: str | None, folder: Path
) -> None:
    if text is not None:
        (folder / "evaluation.json").write_text(text)
    with pytest.raises(StaleError, match="is not evaluated"):
        Evaluation.read(folder)
