import itertools
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from tests.conftest import HEADLINES, TRAINING, TinyModel
from training.evaluate import evaluation as evaluate
from training.export import bundle as export
from training.fit import train
from training.fit.objective import Objective
from training.fit.record import weights_sha256


@pytest.fixture
def options(tiny_base: Path, tmp_path: Path) -> list[str]:
    """Two short epochs in full precision."""
    return [
        *("--data", str(HEADLINES), "--base-model", str(tiny_base), "--precision", "fp32"),
        *("--epochs", "2", "--learning-rate", "1e-3", "--evaluations", "2"),
        *("--group-loss", "0.5"),
        *("--output", str(tmp_path / "run")),
    ]


Interrupt = Callable[[int], None]


def record(folder: Path) -> dict[str, Any]:
    """What a run says of itself."""
    content: dict[str, Any] = json.loads((folder / "training.json").read_text())
    return content


@pytest.fixture
def interrupt_at(monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """A function that has this process get SIGTERM once, within a step of its choice."""
    take_step = train.take_step
    steps = itertools.count(1)

    def arrange(step: int) -> None:
        def interrupted(*arguments: Any) -> float:
            if next(steps) == step:
                signal.raise_signal(signal.SIGTERM)
            return take_step(*arguments)

        monkeypatch.setattr(train, "take_step", interrupted)

    return arrange


def test_a_run_that_was_interrupted_goes_on_to_the_same_result(
    options: list[str], interrupt_at: Interrupt, tmp_path: Path
) -> None:
    # GIVEN the weights of a run that was left alone
    assert train.main([*options, "--output", str(tmp_path / "whole")]) == 0
    whole = load_file(tmp_path / "whole" / "model.safetensors")
    # WHEN another gets SIGTERM in its second epoch, and is resumed
    interrupt_at(9)
    assert train.main(options) == train.INTERRUPTED
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()
    assert train.main([*options, "--resume"]) == 0
    # THEN its weights are the same to the last bit, and so is each validation on the way
    resumed = load_file(tmp_path / "run" / "model.safetensors")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert record(tmp_path / "run")["steps"] == 14
    history = record(tmp_path / "run")["validation_macro_f1"]
    assert history == record(tmp_path / "whole")["validation_macro_f1"]
    assert not (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_an_unfinished_run_leaves_no_model_of_an_earlier_one(
    options: list[str], interrupt_at: Interrupt, tmp_path: Path
) -> None:
    # GIVEN a finished run WHEN another starts in its folder and is interrupted
    assert train.main(options) == 0
    interrupt_at(1)
    assert train.main([*options, "--seed", "1"]) == train.INTERRUPTED
    # THEN nothing there can be taken for a result
    assert {file.name for file in (tmp_path / "run").iterdir()}.isdisjoint(train.RESULTS)


def test_other_data_does_not_resume(
    options: list[str],
    interrupt_at: Interrupt,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    interrupt_at(2)
    assert train.main(options) == train.INTERRUPTED
    lines = HEADLINES.read_text().splitlines(keepends=True)
    (tmp_path / "fewer.csv").write_text("".join(lines[:-1]))
    other = [*options, "--data", str(tmp_path / "fewer.csv"), "--resume"]
    assert train.main(other) == 1
    assert "was made with dataset-sha256" in capsys.readouterr().err


def test_other_settings_do_not_resume(
    options: list[str], interrupt_at: Interrupt, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt_at(2)
    assert train.main(options) == train.INTERRUPTED
    assert train.main([*options, "--resume", "--seed", "1"]) == 1
    assert "was made with seed 42, not 1" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_an_error(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.safetensors").write_bytes(b"half a file")
    assert train.main([*options, "--resume"]) == 1
    assert "is damaged" in capsys.readouterr().err


def test_nothing_to_resume_is_an_error(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main([*options, "--resume"]) == 1
    assert "no checkpoint to resume" in capsys.readouterr().err


def test_training_stops_early_when_validation_no_longer_gains(
    options: list[str], tmp_path: Path
) -> None:
    # GIVEN a learning rate so small that nothing changes
    # WHEN it trains for up to 50 epochs with a patience of two validations
    arguments = [*options, "--learning-rate", "1e-12", "--epochs", "50", "--patience", "2"]
    assert train.main(arguments) == 0
    # THEN it ends after three: the best one and two that were no better
    assert len(record(tmp_path / "run")["validation_macro_f1"]) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--split", "random"], "the same rows: split"),
        (["--seed", "7"], "the same stories: seed"),
    ],
)
def test_a_base_model_that_may_know_the_rows_held_out_is_refused(
    changes: list[str],
    message: str,
    tiny_model: TinyModel,
    options: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a model of a task WHEN training goes on from it with other rows held out
    command = [*options, "--base-model", str(tiny_model.folder)]
    # THEN it is refused
    assert train.main([*command, *changes]) == 1
    assert message in capsys.readouterr().err


def test_training_goes_on_from_a_model_that_held_out_the_same_stories(
    tiny_model: TinyModel, options: list[str], tmp_path: Path
) -> None:
    # GIVEN new rows, which leave the stories that are held out as they are
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.csv").write_text("1\tA new one\turl\tWire\tb\tnew\thost\t1\n")
    command = [*options, "--base-model", str(tiny_model.folder), "--epochs", "0.1"]
    # WHEN training goes on with them
    assert train.main([*command, "--new-rows", str(tmp_path / "new")]) == 0
    # THEN its record names what it went on from, by its weights
    digest = weights_sha256(tiny_model.folder)
    assert record(tmp_path / "run")["base_sha256"] == digest


def test_the_learning_rate_warms_up_and_decays() -> None:
    rates = [train.schedule(step, total=100, warmup=0.1) for step in range(100)]
    assert rates.index(max(rates)) == 9
    assert max(rates) == 1
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.02


def test_a_story_head_that_does_better_is_what_is_kept_and_served(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a run whose label head is out of the race
    classifiers = Objective.classifiers
    monkeypatch.setattr(Objective, "classifiers", lambda *a: list(classifiers(*a))[1:])
    # (the gate has its own tests: a model of seconds has ties that int8 turns over)
    monkeypatch.setattr(export, "MAX_ACCURACY_DROP", 5)
    monkeypatch.setattr(export, "MIN_AGREEMENT", 90)
    # WHEN it is trained, evaluated and exported
    run = tmp_path / "run"
    assert train.main([*options, *TRAINING, "--group-loss", "1", "--split", "random"]) == 0
    assert evaluate.main([str(run)]) == 0
    assert export.main([str(run)]) == 0
    # THEN there are more outputs than labels in the model, and only labels in the answers
    config = json.loads((run / "config.json").read_text())
    assert len(config["id2label"]) > len(set(config["id2label"].values())) == 4
    manifest, _ = read_verified(run / "bundle")
    (prediction,) = Classifier(run / "bundle", manifest).predict(["Shares fall on rate fears"])
    assert list(prediction.probabilities) == list(manifest.labels)
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
