"""Several processes train the same model as one; processes on CPUs stand in for GPUs."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import HEADLINES, ROOT, TinyModel
from textclf.app import main
from training.fit.trained_model import ANSWERS

pytestmark = pytest.mark.timeout(900)  # whole runs, one after the other

WINDOWS = ["--long-texts", "windows", "--max-length", "10"]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


@pytest.fixture(scope="module")
def steady_base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base model without dropout, which each process would draw for itself."""
    folder = tmp_path_factory.mktemp("base") / "steady"
    shutil.copytree(tiny_base, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def command(base: Path, output: Path, *options: str) -> list[str]:
    """Return the command that trains; a batch of 23 does not divide evenly."""
    words = ["train", "--data", str(HEADLINES), "--base-model", str(base), "--output", str(output)]
    words += ["--precision", "fp32", "--learning-rate", "1e-3", "--batch-size", "23"]
    words += ["--epochs", "3", "--evaluations", "2"]
    return [*words, "--group-loss", "0.5", *options]


def train_alone(base: Path, output: Path, *options: str) -> None:
    """Train in this process, which has imported everything."""
    assert main(command(base, output, *options)) == 0


def start(base: Path, output: Path, *options: str) -> subprocess.Popen[str]:
    """Train in two processes."""
    return subprocess.Popen(
        [sys.executable, *TORCHRUN, "2", "-m", "textclf", *command(base, output, *options)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(run: subprocess.Popen[str]) -> str:
    output, _ = run.communicate()
    assert run.returncode == 0, output
    return output


def assert_same_model(one: Path, other: Path) -> None:
    """Weights, and every validation on the way, agree up to rounding."""
    weights, others = (load_file(folder / "model.safetensors") for folder in (one, other))
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, others[name], atol=1e-4, rtol=1e-3)
    records = [json.loads((folder / "training.json").read_text()) for folder in (one, other)]
    assert records[0]["steps"] == records[1]["steps"]
    assert records[0]["validation_macro_f1"] == records[1]["validation_macro_f1"]


@pytest.fixture(scope="module")
def alone_on_windows(steady_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that one process trains on windows."""
    folder = tmp_path_factory.mktemp("windows")
    train_alone(steady_base, folder, *WINDOWS)
    return folder


def test_two_processes_read_the_same_windows_as_one(
    alone_on_windows: Path, steady_base: Path, tmp_path: Path
) -> None:
    # WHEN two processes each take half of a batch of texts that are read in windows
    finish(start(steady_base, tmp_path, *WINDOWS))
    # THEN the model is the one that a single process makes, and so is the pooling
    assert_same_model(alone_on_windows, tmp_path)
    one, other = (
        json.loads((folder / "training.json").read_text())["windows"]
        for folder in (alone_on_windows, tmp_path)
    )
    assert one == other


@pytest.fixture(scope="module")
def alone(steady_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that one process trains."""
    folder = tmp_path_factory.mktemp("alone")
    train_alone(steady_base, folder)
    return folder


def test_two_processes_train_the_same_model_as_one(
    alone: Path, steady_base: Path, tmp_path: Path
) -> None:
    # WHEN two processes each take half of a batch
    printed = finish(start(steady_base, tmp_path))
    # THEN the model is the one that a single process makes, and only the leader prints
    assert_same_model(alone, tmp_path)
    validations = json.loads((tmp_path / "training.json").read_text())["validation_macro_f1"]
    first_words = [line.split()[0] for line in printed.splitlines() if "macro-F1" in line]
    assert first_words == ["step"] * len(validations) + ["best"]


def test_two_processes_learn_the_same_from_a_teacher_as_one(
    steady_base: Path, tiny_model: TinyModel, tmp_path: Path
) -> None:
    # GIVEN a teacher, and texts without labels
    shutil.rmtree(tiny_model.folder / ANSWERS, ignore_errors=True)
    (tmp_path / "more.txt").write_text("".join(f"headline number {n}\n" for n in range(50)))
    options = ["--teachers", str(tiny_model.folder), "--unlabelled", str(tmp_path / "more.txt")]
    options += ["--balance-groups", "2", "--distillation-temperature", "2", "--embedding-loss", "1"]
    # WHEN two processes train a student, and then one
    printed = finish(start(steady_base, tmp_path / "two", *options))
    train_alone(steady_base, tmp_path / "one", *options)
    # THEN the models are the same, and the teacher was asked once
    assert_same_model(tmp_path / "one", tmp_path / "two")
    assert printed.count("answers") == 2  # the texts, and the folder that keeps them


def test_two_processes_that_are_terminated_resume_together(
    alone: Path, steady_base: Path, tmp_path: Path
) -> None:
    # GIVEN two processes that got SIGTERM after their first steps
    run = start(steady_base, tmp_path, "--checkpoint-minutes", "0")
    while not (tmp_path / "checkpoint.safetensors").exists():
        assert run.poll() is None, run.communicate()[0]
        time.sleep(0.01)
    run.send_signal(signal.SIGTERM)
    run.communicate()
    assert (tmp_path / "checkpoint.safetensors").exists()
    # WHEN two processes resume THEN they end where one process ends
    finish(start(steady_base, tmp_path, "--resume"))
    assert_same_model(alone, tmp_path)
