"""docs/your-own-texts.md: its commands, from a CSV file to an answer with its labels."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client

from inference.local.emulator import free_ports
from tests.conftest import ROOT, SAMPLE_DATA, TRAINING
from tests.e2e.conftest import TEXTCLF, serving
from textclf.app import main

PAGE = (ROOT / "docs" / "your-own-texts.md").read_text()
SHELL = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).replace("\\\n", "")
COMMANDS = [shlex.split(line, comments=True) for line in SHELL.splitlines()]


def command(*words: str) -> list[str]:
    """Return the one command of the page that begins with these words."""
    (found,) = (each for each in COMMANDS if each[: len(words)] == list(words))
    return found


def run(subcommand: str, *options: str) -> None:
    """Run a command as the page shows it, with further options."""
    assert main([*command("textclf", subcommand)[1:], *options]) == 0


def test_your_own_csv_file_becomes_a_served_classifier(
    tiny_base: Path,
    s3: S3Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a folder with the data, and a base model that learns in seconds
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(SAMPLE_DATA)
    tiny = ["--base-model", str(tiny_base), "--max-length", "64", *TRAINING]
    tiny += ["--label-smoothing", "0.2"]  # less certain, so that int8 changes no label
    # WHEN the commands of the page are run
    run("train", *tiny)
    run("evaluate")
    run("export")
    run("publish")
    uri = capsys.readouterr().out.split()[-1]
    port = str(free_ports(1)[0])
    serve = [word.replace("8080", port) for word in command("textclf", "serve")[1:]]
    curl = [word.replace("8080", port) for word in command("curl")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with serving(environment, [*TEXTCLF, *serve], tmp_path):
        answer = json.loads(subprocess.check_output([*curl, "--silent", "--show-error"]))
    # THEN the answer has the labels of the file
    labels = {"Account access", "Billing", "Delivery", "Feature request"}
    assert set(answer["probabilities"]) == labels
    # AND comes from the version that the page would deploy
    (deployed,) = (word for word in command("make", "deploy") if word.startswith("MODEL_URI="))
    store = deployed.removeprefix("MODEL_URI=").removesuffix("VERSION")
    assert uri == store + answer["model_version"]


def test_a_label_with_a_single_row_is_trained_and_reported_as_untested(
    tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN the tickets, another one with its own label, and a copy of one with a different label
    tickets = (SAMPLE_DATA / "tickets.csv").read_text()
    first = tickets.splitlines()[1].rpartition(",")[0]
    rows = f"{tickets}Thank you for the quick help!,Praise\n{first},Billing\n"
    (tmp_path / "rows.csv").write_text(rows)
    model = str(tmp_path / "model")
    options = ["--task", "tickets", "--data", str(tmp_path / "rows.csv"), "--text-column", "text"]
    options += ["--label-column", "topic", "--base-model", str(tiny_base), "--max-length", "64"]
    options += [*TRAINING, "--output", model]
    options[options.index("--epochs") + 1] = "1"
    # WHEN a model is trained on them and evaluated
    assert main(["train", *options]) == 0
    assert main(["evaluate", model]) == 0
    # THEN it says that the label is untested, and the report counts the conflict
    assert "no test row is labelled 'Praise'" in capsys.readouterr().out
    evaluation = json.loads((tmp_path / "model" / "evaluation.json").read_text())
    assert evaluation["repeats"]["file"]["conflicting_texts"] == 1
