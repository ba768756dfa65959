"""README, "Your own texts": its commands, from a CSV file to an answer with its labels."""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client

from inference.local.emulator import free_ports
from tests.conftest import ROOT, SAMPLE_DATA, TRAINING
from tests.e2e.conftest import serving

SECTION = (ROOT / "README.md").read_text().partition("\n## Your own texts\n")[2].split("\n## ")[0]
SHELL = "".join(re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)).replace("\\\n", "")
COMMANDS = [shlex.split(line, comments=True) for line in SHELL.splitlines()]


def command(*words: str) -> list[str]:
    """The one command of the section that begins with these words."""
    (found,) = (each for each in COMMANDS if each[: len(words)] == list(words))
    return found


def run(module: str, options: Sequence[str] = ()) -> None:
    """Run a command of the section as it stands there, but for further options."""
    arguments = command("python", "-m", module)[3:]
    assert importlib.import_module(module).main([*arguments, *options]) == 0


def test_a_csv_file_of_ones_own_becomes_a_served_classifier(
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
    tiny += ["--label-smoothing", "0.2"]  # less sure, so that no probability leaps in int8
    # WHEN the commands are run in their order
    run("training.fit.train", tiny)
    run("training.evaluate.evaluation")
    run("training.export.bundle")
    run("inference.model.publish")
    uri = capsys.readouterr().out.split()[-1]
    port = str(free_ports(1)[0])
    serve = [word.replace("8080", port) for word in command("python", "-m", "inference.local")]
    curl = [word.replace("8080", port) for word in command("curl")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with serving(environment, [sys.executable, *serve[1:]], tmp_path):
        answer = json.loads(subprocess.check_output([*curl, "--silent", "--show-error"]))
    # THEN the answer has the file's labels, and is of the version that would be deployed
    labels = {"Account access", "Billing", "Delivery", "Feature request"}
    assert set(answer["probabilities"]) == labels
    store = command("make", "deploy")[-1].removeprefix("MODEL_URI=").removesuffix("VERSION")
    assert uri == store + answer["model_version"]


def test_a_label_with_a_single_row_is_trained_and_reported_as_untested(
    tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN the tickets, one more of a label of its own, and one of them under another label, too
    tickets = (SAMPLE_DATA / "tickets.csv").read_text()
    first = tickets.splitlines()[1].rpartition(",")[0]
    rows = f"{tickets}Thank you for the quick help!,Praise\n{first},Billing\n"
    (tmp_path / "rows.csv").write_text(rows)
    options = ["--task", "tickets", "--data", str(tmp_path / "rows.csv"), "--text-column", "text"]
    options += ["--label-column", "topic", "--base-model", str(tiny_base), "--max-length", "64"]
    options += [*TRAINING, "--epochs", "1", "--output", str(tmp_path / "run")]
    # WHEN a model is trained on them and evaluated
    assert importlib.import_module("training.fit.train").main(options) == 0
    assert (
        importlib.import_module("training.evaluate.evaluation").main([str(tmp_path / "run")]) == 0
    )
    # THEN it says that nothing is known of that label, and the report counts the conflict
    assert "no test row is 'Praise'" in capsys.readouterr().out
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert evaluation["repeats"]["file"]["conflicting_texts"] == 1
