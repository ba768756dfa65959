"""`textclf export` of an evaluated model, behind its gate."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from inference.model.bundle import MANIFEST, read_verified
from inference.model.classifier import Classifier
from tests.conftest import ROOT, TinyModel
from textclf.app import main
from training.export.examples import TEXTS

REFUSED = 3


@pytest.fixture
def model(tiny_model: TinyModel, tmp_path: Path) -> Path:
    """A copy of the tiny model's folder to change."""
    return shutil.copytree(tiny_model.folder, tmp_path / "model")


def test_a_bundle_is_verified_by_its_own_version(tiny_model: TinyModel) -> None:
    # GIVEN an exported bundle WHEN it is read by its version THEN it is complete
    bundle = read_verified(tiny_model.bundle)
    assert read_verified(tiny_model.bundle, bundle.version) == bundle
    files = {file.name for file in tiny_model.bundle.iterdir()}
    assert set(bundle.manifest.files) == files - {MANIFEST}


def test_a_manifest_says_how_the_model_was_made_and_how_good_it_is(tiny_model: TinyModel) -> None:
    manifest = read_verified(tiny_model.bundle).manifest
    assert len(manifest.training["dataset_sha256"]) == 64
    assert 0 < manifest.metrics["int8"]["accuracy"] < 1
    assert 0 < manifest.metrics["fp32"]["against_baseline"]["accuracy"] < 1
    assert "accuracy" in manifest.metrics["baseline"]
    assert "embeddings 4 bits" in manifest.quantization["weights"]
    assert sum(manifest.reference["labels"].values()) == pytest.approx(1)
    assert sum(manifest.reference["confidence"]) == pytest.approx(1)
    assert [example.text for example in manifest.examples] == [*TEXTS]


def test_a_manifest_names_no_folder_of_the_machine_that_made_it(tiny_model: TinyModel) -> None:
    text = (tiny_model.bundle / MANIFEST).read_text()
    assert str(tiny_model.folder.parent) not in text


def test_exporting_again_gives_the_same_version_and_prints_the_result_of_the_gate(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN an exported model
    bundle = read_verified(model / "bundle")
    # WHEN it is exported again
    assert main(["export", str(model)]) == 0
    # THEN the version is the same, and it is printed after the result of the gate
    gate, last = capsys.readouterr().out.splitlines()
    assert gate.startswith("int8 loses ")
    assert last == f"bundle {bundle.version} in {model / 'bundle'}"


def test_the_export_writes_a_page_of_its_own_and_leaves_the_report(model: Path) -> None:
    # GIVEN a report
    (model / "report.md").write_text("the report")
    (model / "gate.md").unlink()
    # WHEN the model is exported
    assert main(["export", str(model)]) == 0
    # THEN the report is as it was, and the result of the gate has its own page
    assert (model / "report.md").read_text() == "the report"
    assert (model / "gate.md").read_text().startswith("# Gate: passed\n")


def test_a_bundle_that_lost_accuracy_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a quantizer gone wrong: the bundle's answers come in the wrong order
    predict = Classifier.predict
    monkeypatch.setattr(Classifier, "predict", lambda self, texts: predict(self, texts)[::-1])
    # WHEN the model is exported
    code = main(["export", str(model), "--output", str(model / "refused")])
    # THEN it is refused with the figures, and no bundle is written
    assert code == REFUSED
    error = capsys.readouterr().err
    assert "the bundle is refused: int8 loses" in error
    assert "% of labels" in error
    assert not (model / "refused").exists()
    # AND the page has the figures that tell why
    assert (model / "gate.md").read_text().startswith("# Gate: refused\n")


@pytest.fixture
def constant_model(model: Path) -> Path:
    """A model that gives every text the label Business, whatever it says."""
    weights = load_file(model / "model.safetensors")
    weights["classifier.weight"] = torch.zeros_like(weights["classifier.weight"])
    weights["classifier.bias"] = torch.tensor([5.0, 0.0, 0.0, 0.0])
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    assert main(["evaluate", str(model)]) == 0
    return model


def test_a_model_that_is_worse_than_a_linear_one_is_refused(
    constant_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a model that has learnt nothing, of which int8 loses nothing
    # WHEN it is exported
    output = constant_model / "refused"
    assert main(["export", str(constant_model), "--output", str(output)]) == REFUSED
    # THEN the refusal says how much worse it is, what it never predicts, and how to insist
    error = capsys.readouterr().err
    assert re.search(r"[Tt]he linear baseline is [\d.]+ points more accurate", error)
    assert "It never predicts Science, Entertainment, Health." in error
    assert "insist with --allow-worse" in error
    assert not output.exists()
    # AND the report says it in words first
    report = (constant_model / "report.md").read_text()
    assert report.splitlines()[2].startswith("**Do not use this model:** ")


def test_a_model_that_is_worse_can_be_insisted_on(
    constant_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = constant_model / "allowed"
    assert main(["export", str(constant_model), "--output", str(output), "--allow-worse"]) == 0
    assert Classifier.load(read_verified(output)).predict(["Flu"])[0].label == "Business"
    assert "It never predicts Science" in capsys.readouterr().out


@pytest.mark.parametrize("output", ["file/bundle", "link"])
def test_an_output_that_cannot_be_written_is_an_error_in_one_line(
    output: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "file").touch()
    (model / "link").symlink_to("/proc/nowhere/bundle")
    assert main(["export", str(model), "--output", str(model / output)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: cannot write")


def test_a_folder_that_is_not_a_bundle_is_not_replaced(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(model), "--output", str(model)]) == 1
    assert "is not a bundle" in capsys.readouterr().err
    assert (model / "model.safetensors").exists()


def test_a_model_that_is_not_evaluated_is_not_exported(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN weights that changed after the evaluation
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    # WHEN the model is exported THEN the error says what to run
    assert main(["export", str(model)]) == 1
    assert f"run textclf evaluate {model}" in capsys.readouterr().err


def test_no_log_line_or_warning_of_a_library_is_printed(model: Path) -> None:
    # GIVEN a process that has not imported any library yet
    commands = [["evaluate", str(model)], ["export", str(model)]]
    code = f"from textclf.app import main; print([main(command) for command in {commands}])"
    # WHEN it evaluates and exports a model
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    # THEN it succeeds, and nothing but the commands' own output is printed
    assert done.stdout.endswith("[0, 0]\n")
    assert done.stderr == ""
