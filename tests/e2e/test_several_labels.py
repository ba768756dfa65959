"""docs/several-labels.md: its commands, from a CSV file to an answer with several labels."""

import csv
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from inference.local.emulator import free_ports
from tests.conftest import ROOT, SAMPLE_DATA
from tests.e2e.conftest import TEXTCLF, serving
from tests.multi_label import LABELS, TRAINING, write_base
from textclf.app import main

PAGE = (ROOT / "docs" / "several-labels.md").read_text()
SHELL = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).replace("\\\n", "")
COMMANDS = [shlex.split(line, comments=True) for line in SHELL.splitlines()]
FLAGS = shlex.split(
    re.findall(r"```text\n(textclf train.*?)```", PAGE, re.DOTALL)[0].replace("\\\n", "")
)


def command(*words: str) -> list[str]:
    """Return the one command of the page that begins with these words."""
    (found,) = (each for each in COMMANDS if each[: len(words)] == list(words))
    return found


def run(subcommand: str, *options: str) -> None:
    """Run a command as the page shows it, with further options."""
    assert main([*command("textclf", subcommand)[1:], *options]) == 0


def test_a_file_of_label_lists_becomes_a_served_classifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a folder with the data, and a base model that learns in seconds
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(SAMPLE_DATA)
    base = str(write_base(tmp_path))
    # WHEN the commands of the page are run
    run("train", "--base-model", base, *TRAINING)
    run("evaluate")
    run("export")
    port = str(free_ports(1)[0])
    serve = [word.replace("8080", port) for word in command("textclf", "serve")[1:]]
    curl = [word.replace("8080", port) for word in command("curl")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with serving(environment, [*TEXTCLF, *serve], tmp_path):
        answer = json.loads(subprocess.check_output([*curl, "--silent", "--show-error"]))
    # THEN the answer has both labels of the text, as the page shows it
    shown = json.loads(re.findall(r"```text\n(\{.*?\})\n```", PAGE, re.DOTALL)[0])
    assert set(answer["predicted_labels"]) == set(shown["predicted_labels"])
    assert answer.keys() == shown.keys()
    assert tuple(answer["probabilities"]) == LABELS


def test_a_column_for_each_label_is_the_same_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN the same messages with a column of 0 and 1 for each label
    monkeypatch.chdir(tmp_path)
    with (SAMPLE_DATA / "messages.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["topics"].split(";")) for row in csv.DictReader(file)]
    with (tmp_path / "messages.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", *(label.lower() for label in LABELS)))
        writer.writerows((text, *(int(each in topics) for each in LABELS)) for text, topics in rows)
    short = ["--base-model", str(write_base(tmp_path)), *TRAINING]
    short[short.index("--epochs") + 1] = "1"
    # WHEN the page's command is run
    assert main([*FLAGS[1:], *short]) == 0
    # THEN the labels are the columns, and the texts have as many as in the sample file
    out = capsys.readouterr().out
    assert "messages (account, billing, defect, delivery, return)" in out
    assert "none in 10 of 154 texts" in out
