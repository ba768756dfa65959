import itertools
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from inference.errors import InterruptedRunError
from tests.conftest import HEADLINES, TinyModel
from tests.headlines import news_row
from training.data.examples import DataError, Dataset
from training.data.read import read
from training.fit import train as training
from training.fit.checkpoint import CHECKPOINT
from training.fit.process_group import process_group
from training.fit.record import TrainingRecord, hash_weights
from training.fit.settings import Settings
from training.fit.trained_model import RESULTS, TrainedModel, open_trained_model
from training.tasks import Task

Interrupt = Callable[[int], None]


@pytest.fixture
def settings(tiny_base: Path, tmp_path: Path) -> Settings:
    """Two short epochs in full precision."""
    return Settings(
        data=str(HEADLINES),
        output=str(tmp_path / "run"),
        base_model=str(tiny_base),
        precision="fp32",
        epochs=2,
        learning_rate=1e-3,
        evaluations=2,
        group_loss=0.5,
    )


def train(settings: Settings, **changes: object) -> TrainedModel:
    with process_group() as group:
        return training.train(settings.model_copy(update=changes), group)


@pytest.fixture
def interrupt_at(monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """A function that sends this process SIGTERM once, within a step of its choice."""
    take_step = training.take_step
    steps = itertools.count(1)

    def arrange(step: int) -> None:
        def interrupted(*arguments: Any) -> float:
            if next(steps) == step:
                signal.raise_signal(signal.SIGTERM)
            return take_step(*arguments)

        monkeypatch.setattr(training, "take_step", interrupted)

    return arrange


def test_a_model_is_returned_with_its_rows_and_can_be_opened_again(settings: Settings) -> None:
    # GIVEN a run WHEN it has finished
    trained = train(settings)
    # THEN its folder holds all that was returned
    assert open_trained_model(Path(settings.output)) == trained
    assert trained.record.steps == 14
    assert len(trained.rows.test) == trained.record.rows.test
    assert trained.record.time is not None


def test_the_data_is_read_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a list of the files that are read
    locations = []

    def note(location: str, task: Task) -> Dataset:
        locations.append(location)
        return read(location, task)

    monkeypatch.setattr("training.fit.rows.read", note)
    # WHEN a model is trained THEN its data file is read once
    train(settings, epochs=0.1)
    assert locations == [settings.data]


def test_an_interrupted_run_is_resumed_to_the_same_result(
    settings: Settings, interrupt_at: Interrupt, tmp_path: Path
) -> None:
    # GIVEN a run that was not interrupted
    whole = train(settings, output=str(tmp_path / "whole"))
    # WHEN another gets SIGTERM in its second epoch, and is resumed
    interrupt_at(9)
    with pytest.raises(InterruptedRunError, match="add --resume"):
        train(settings)
    assert (tmp_path / "run" / CHECKPOINT).exists()
    resumed = train(settings, resume=True)
    # THEN its weights are the same to the last bit, and so is each validation on the way
    weights, again = (load_file(m.folder / "model.safetensors") for m in (whole, resumed))
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert resumed.record.steps == 14
    assert resumed.record.validation_macro_f1 == whole.record.validation_macro_f1
    assert not (tmp_path / "run" / CHECKPOINT).exists()


def test_an_unfinished_run_leaves_no_model_of_an_earlier_one(
    settings: Settings, interrupt_at: Interrupt
) -> None:
    # GIVEN a finished run
    folder = train(settings, epochs=0.5).folder
    # WHEN another starts in its folder, and is interrupted
    interrupt_at(1)
    with pytest.raises(InterruptedRunError):
        train(settings, seed=1)
    # THEN nothing there can be taken for a result
    assert {file.name for file in folder.iterdir()}.isdisjoint(RESULTS)


def test_training_stops_early_when_validation_no_longer_improves(settings: Settings) -> None:
    # GIVEN a learning rate so small that nothing changes
    # WHEN it trains for up to 50 epochs with a patience of two validations
    trained = train(settings, learning_rate=1e-12, epochs=50, patience=2)
    # THEN it ends after three: the best one and two that were no better
    assert isinstance(trained.record.validation_macro_f1, list)
    assert len(trained.record.validation_macro_f1) == 3


def test_the_second_head_is_not_part_of_the_model(settings: Settings) -> None:
    # GIVEN a run that also learns to tell the stories apart
    trained = train(settings, epochs=0.5)
    # WHEN its weights are read THEN they are those of the labels alone
    weights = load_file(trained.folder / "model.safetensors")
    assert weights["classifier.weight"].shape[0] == len(trained.labels)
    assert not any("group" in name for name in weights)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"split": "random"}, "the same rows: split"), ({"seed": 7}, "the same stories: seed")],
)
def test_a_base_model_that_may_know_the_rows_held_out_is_refused(
    changes: dict[str, object], message: str, tiny_model: TinyModel, settings: Settings
) -> None:
    # GIVEN a model WHEN training starts from it with other rows held out THEN it is refused
    with pytest.raises(DataError, match=message):
        train(settings, base_model=str(tiny_model.folder), **changes)


def test_training_can_start_from_a_model_that_held_out_the_same_stories(
    tiny_model: TinyModel, settings: Settings, tmp_path: Path
) -> None:
    # GIVEN new rows, which do not change which stories are held out
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.csv").write_text(news_row("A new one", story="new"))
    changes = {"base_model": str(tiny_model.folder), "new_rows": str(tmp_path / "new")}
    # WHEN a model is trained further with them
    trained = train(settings, epochs=0.1, **changes)
    # THEN its record identifies the model it started from by its weights
    assert trained.record.base_sha256 == hash_weights(tiny_model.folder)
    assert trained.record.new_rows == 1


def test_a_student_records_its_teacher(settings: Settings, tiny_model: TinyModel) -> None:
    # GIVEN a teacher WHEN a student is trained
    train(settings, epochs=0.5, teachers=str(tiny_model.folder))
    # THEN its record identifies the teacher by its weights
    record = TrainingRecord.read(Path(settings.output))
    assert record.teachers == {tiny_model.folder.name: hash_weights(tiny_model.folder)}
