"""`textclf evaluate` on a trained model."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import HEADLINES, TinyModel
from textclf.app import main
from training.evaluate.evaluation import evaluate
from training.evaluate.results import Evaluation
from training.export.bundle import export
from training.fit.trained_model import open_trained_model


@pytest.fixture
def model(tiny_model: TinyModel, tmp_path: Path) -> Path:
    """A copy of the tiny model's folder to change."""
    return shutil.copytree(tiny_model.folder, tmp_path / "model")


def test_the_report_is_printed_and_written_with_its_plots(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a trained model without a report
    for name in ("report.md", "confusion.png", "reliability.png"):
        (model / name).unlink()
    # WHEN it is evaluated on its test rows and on a further file
    assert main(["evaluate", str(model), "--also", str(HEADLINES)]) == 0
    # THEN the printed report is the written one, shows both models and the further file
    report = (model / "report.md").read_text()
    assert capsys.readouterr().out.strip() == report.strip()
    assert "| DistilBERT, fp32 against TF-IDF(1,2) + LinearSVC |" in report
    assert "## headlines.csv" in report
    for name in ("confusion.png", "reliability.png"):
        assert (model / name).read_bytes().startswith(b"\x89PNG")


def test_the_same_model_is_evaluated_with_the_same_result(model: Path) -> None:
    before = Evaluation.read(model)
    assert evaluate(open_trained_model(model)) == before


def test_the_data_is_read_once_for_the_evaluation_and_the_export(model: Path) -> None:
    # GIVEN a trained model that is open, and whose data file is gone since
    record = json.loads((model / "training.json").read_text())
    record["settings"]["data"] = str(shutil.copy(HEADLINES, model / "data.csv"))
    (model / "training.json").write_text(json.dumps(record))
    trained = open_trained_model(model)
    (model / "data.csv").unlink()
    # WHEN it is evaluated and exported THEN neither reads the file again
    evaluation = evaluate(trained)
    bundle = export(trained, model / "again")
    assert bundle.manifest.metrics["fp32"] == evaluation.fp32.to_json()


def test_the_most_confident_errors_are_listed_and_not_in_the_report(tiny_model: TinyModel) -> None:
    # GIVEN an evaluated model WHEN its list of errors is read
    with (tiny_model.folder / "errors.csv").open(newline="") as file:
        errors = list(csv.DictReader(file))
    # THEN it holds errors only, the most confident first, and the report quotes none of them
    assert errors
    assert all(error["predicted"] != error["label"] for error in errors)
    confidences = [float(error["confidence"]) for error in errors]
    assert confidences == sorted(confidences, reverse=True)
    report = (tiny_model.folder / "report.md").read_text()
    assert not any(error["text"] in report for error in errors)


def test_data_that_changed_is_an_error(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN a model that was trained on another data set
    record = json.loads((model / "training.json").read_text())
    record["dataset_sha256"] = "0" * 64
    (model / "training.json").write_text(json.dumps(record))
    # WHEN it is evaluated THEN it is refused, as its figures would not be comparable
    assert main(["evaluate", str(model)]) == 1
    assert "has changed since" in capsys.readouterr().err


def test_a_further_file_that_cannot_be_read_is_an_error(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(model), "--also", "nowhere.csv"]) == 1
    assert "no such file: nowhere.csv" in capsys.readouterr().err
