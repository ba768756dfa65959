"""`textclf evaluate` on a trained model."""

import csv
import itertools
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import HEADLINES, ROOT, TinyModel
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
    for name in ("report.md", "confusion.png", "reliability.png", "confusion.csv", "labels.csv"):
        (model / name).unlink()
    # WHEN it is evaluated on its test rows and on a further file
    assert main(["evaluate", str(model), "--also", str(HEADLINES)]) == 0
    # THEN the printed report is the written one, shows both models and the further file
    report = (model / "report.md").read_text()
    assert capsys.readouterr().out.strip() == report.strip()
    assert "| DistilBERT, fp32 against TF-IDF(1,2)" in report
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


def test_a_full_disk_leaves_the_earlier_evaluation_and_names_the_file(model: Path) -> None:
    # GIVEN an evaluated model, and a disk on which no file can be larger than 2 kB
    before = {file.name: file.read_bytes() for file in model.iterdir() if file.is_file()}

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    # WHEN it is evaluated again
    done = subprocess.run(
        [sys.executable, "-m", "textclf", "evaluate", str(model)],
        cwd=ROOT,
        env=os.environ | {"TQDM_DISABLE": "1"},
        preexec_fn=limit_files,
        capture_output=True,
        text=True,
        check=False,
    )
    # THEN one line says what could not be written, and everything is as it was
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: cannot write {model}/")
    assert line.endswith("File too large; correct that, then give the same command again")
    assert {file.name: file.read_bytes() for file in model.iterdir() if file.is_file()} == before


def test_ctrl_c_ends_an_evaluation_without_a_traceback(model: Path) -> None:
    # GIVEN an evaluation that has begun to measure
    code = (
        "import signal, sys\n"
        "from training.evaluate import baseline\n"
        "from textclf.app import main\n"
        "baseline.fit = lambda *_: signal.raise_signal(signal.SIGINT)\n"
        f"sys.exit(main(['evaluate', {str(model)!r}]))\n"
    )
    # WHEN Ctrl-C comes
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"TQDM_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    # THEN it says so in one line, and the earlier report is still there
    assert (done.returncode, done.stderr) == (130, "error: interrupted\n")
    assert (model / "report.md").exists()


def test_labels_of_any_script_and_length_do_no_harm_from_training_to_the_gate(
    tiny_base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # GIVEN 30 labels in Chinese and Hindi, with bars, HTML, formulas, and of 80 characters
    odd = ["体育|x", "<b>खेल</b>", "$x_{", "[a](http://e)", "long label " * 8, "😂"]
    labels = [f"{odd[number % 6]} {number}" for number in range(30)]
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((f"word {n % 30} and {n}", labels[n % 30]) for n in range(600))
    options = ["--task", "odd", "--data", str(tmp_path / "rows.csv"), "--text-column", "text"]
    options += ["--label-column", "label", "--base-model", str(tiny_base), "--max-length", "64"]
    folder = tmp_path / "model"
    # WHEN a model is trained for a moment, evaluated and exported
    assert main(["train", *options, "--epochs", "0.2", "--output", str(folder)]) == 0
    assert main(["evaluate", str(folder)]) == 0
    assert main(["export", str(folder)]) == 3
    # THEN the refusal names the labels, without a warning of a library
    error = capfd.readouterr().err
    assert error.startswith("error: the bundle is refused: ")
    assert "It never predicts " in error
    assert len(error.splitlines()) == 1
    # AND the report says not to use it, and its tables have no cell too many
    report = (folder / "report.md").read_text()
    assert "**Do not use this model:**" in report
    assert "<b>" not in report
    lines = report.splitlines()
    for rule in (n for n, line in enumerate(lines) if line.startswith("| --- |")):
        columns = lines[rule].count("|")
        cells = [re.sub(r"\\\|", "", line).count("|") for line in lines[rule + 1 :]]
        assert set(itertools.takewhile(bool, cells)) == {columns}
    # AND all labels are in the files for programs, as they are
    with (folder / "confusion.csv").open(newline="", encoding="utf-8") as file:
        assert sorted(next(csv.reader(file))[1:]) == sorted(label.strip() for label in labels)
