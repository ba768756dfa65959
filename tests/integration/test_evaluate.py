"""`textclf evaluate` on a trained model."""

import csv
import itertools
import json
import re
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from tests.conftest import HEADLINES, TinyModel
from textclf.app import main
from training.evaluate import baseline
from training.evaluate.evaluation import evaluate
from training.evaluate.results import Elsewhere, Evaluation
from training.export.bundle import export
from training.fit.trained_model import open_trained_model
from training.tasks import NEWS


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
    assert "| fp32 model against TF-IDF(1,2)" in report
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


def test_texts_of_others_are_measured_and_calibrated_on_up_to_the_manifest(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN headlines of others with two of the four labels, and other columns
    words = {"Business": "stocks market bank profit", "Science": "phone app space robot"}
    others = tmp_path / "others.csv"
    with others.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("headline", "category"))
        writer.writerows(
            (f"{word} number {n}", label)
            for label, listed in words.items()
            for word in listed.split()
            for n in range(30)
        )
        writer.writerow(("A match", "Sport"))
    before = Evaluation.read(model)
    # WHEN the model is evaluated on a file of its own, calibrated on theirs, and exported
    files = ["--also", str(HEADLINES), "--calibrate-on", str(others), "--skip-bad-rows"]
    columns = ["--text-column", "headline", "--label-column", "category"]
    assert main(["evaluate", str(model), *files, *columns]) == 0
    out, error = capsys.readouterr()
    assert main(["export", str(model), "--allow-worse"]) == 0
    # THEN it says how each file was read and what became of its rows
    assert f"{others}: read as csv, delimiter comma" in error
    assert re.search(r"others\.csv: 241 rows = 240 used \(\d+ to .* to test that\) \+ 1 rej", error)
    assert f"{HEADLINES}: read as tsv, delimiter tab" in error
    # AND the temperature is another one, and what it costs and gains is in the report
    after = Evaluation.read(model)
    assert after.temperature != before.temperature
    assert [choice.temperature for choice in after.calibration][1:] == [
        before.temperature,
        after.temperature,
    ]
    assert "## Calibration" in out
    theirs = after.also["others.csv"]
    assert theirs.labels == ["Business", "Science"]
    assert theirs.texts + theirs.calibration_rows == 240
    # AND accuracy by story is known for both models
    assert after.fp32.group_accuracy is not None
    assert after.baseline.group_accuracy is not None
    # AND the manifest has the figures of the bundle on both files, without path or text
    manifest = read_verified(model / "bundle").manifest
    published = [Elsewhere.model_validate(one) for one in manifest.metrics["elsewhere"]]
    assert [(one.name, one.texts) for one in published] == [
        ("others.csv", 240),
        ("headlines.csv", 508),
    ]
    texts = [line.split("\t")[1] for line in HEADLINES.read_text().splitlines()]
    expected = Classifier.load(read_verified(model / "bundle")).predict(texts)
    labels = [NEWS.codes[line.split("\t")[4]] for line in HEADLINES.read_text().splitlines()]
    right = sum(p.label == label for p, label in zip(expected, labels, strict=True))
    assert published[1].accuracy == pytest.approx(right / 508)
    assert str(tmp_path) not in (model / "bundle" / "manifest.json").read_text()
    assert "| others.csv | 240 |" in (model / "gate.md").read_text()


def test_another_evaluation_forgets_the_files_of_an_earlier_one(model: Path) -> None:
    # GIVEN a model that was evaluated on a further file WHEN it is evaluated without
    assert main(["evaluate", str(model), "--also", str(HEADLINES)]) == 0
    assert (model / "elsewhere.json.gz").exists()
    assert main(["evaluate", str(model)]) == 0
    # THEN no later export measures the bundle on it
    assert not (model / "elsewhere.json.gz").exists()
    assert Evaluation.read(model).also == {}


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let this process write no file beyond a size until the end of the block."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_earlier_evaluation_and_names_the_file(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN an evaluated model, and a disk on which no file can be larger than 2 kB
    before = {file.name: file.read_bytes() for file in model.iterdir() if file.is_file()}
    # WHEN it is evaluated again
    with largest_file(2000):
        assert main(["evaluate", str(model)]) == 1
    # THEN one line says what could not be written, and everything is as it was
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: cannot write {model}/")
    assert line.endswith("File too large; correct that, then give the same command again")
    assert {file.name: file.read_bytes() for file in model.iterdir() if file.is_file()} == before


def test_ctrl_c_ends_an_evaluation_without_a_traceback(
    model: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # GIVEN an evaluation that has begun to measure
    monkeypatch.setattr(baseline, "fit", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    # WHEN Ctrl-C comes
    assert main(["evaluate", str(model)]) == 130
    # THEN it says so in one line, and the earlier report is still there
    assert capfd.readouterr().err == "error: interrupted\n"
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


def test_a_bundle_is_measured_without_its_data(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a bundle alone
    bundle = shutil.copytree(model / "bundle", model.parent / "mine")
    files = sorted(bundle.iterdir())
    # WHEN it is measured on a labelled file
    assert main(["evaluate", str(bundle), "--also", str(HEADLINES)]) == 0
    # THEN a report is printed, and nothing is added to the bundle
    version = read_verified(bundle).version
    assert f"# Bundle {version} on headlines.csv" in capsys.readouterr().out
    assert sorted(bundle.iterdir()) == files


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--also", str(HEADLINES), "--calibrate-on", str(HEADLINES)],
        ["--also", str(HEADLINES), "--previous", "s3://bucket/news/0123456789abcdef"],
        ["--also", str(HEADLINES), "--against", "bedrock:model"],
    ],
)
def test_a_bundle_needs_files_to_measure_and_cannot_be_calibrated(
    options: list[str], model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a bundle WHEN options for a model folder are given THEN the error says what to give
    assert main(["evaluate", str(model / "bundle"), *options]) == 1
    assert "is a bundle: measure it on labelled files with --also" in capsys.readouterr().err
