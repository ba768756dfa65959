import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from inference.model.windows import MAX
from tests.conftest import HEADLINES
from training.data.examples import Example
from training.fit.base_model import load_pretrained
from training.fit.checkpoint import Checkpoint, CheckpointError
from training.fit.distillation import Targets
from training.fit.epoch_rows import EpochRows
from training.fit.process_group import Group
from training.fit.record import TrainingRecord, UnlabelledTexts
from training.fit.rows import load_rows
from training.fit.settings import Settings
from training.fit.training_state import Progress, TrainingState
from training.fit.training_texts import TrainingTexts
from training.tasks import NEWS


def make_settings(**changes: object) -> Settings:
    return Settings.model_validate({"data": "d", "output": "o", "epochs": 2, **changes})


@pytest.fixture
def state(tiny_base: Path) -> TrainingState:
    """A run before its first step."""
    model, tokenizer = load_pretrained(str(tiny_base), NEWS.labels)
    group = Group(rank=0, size=1, device=torch.device("cpu"))
    examples = [Example(f"text {number}", 0) for number in range(5)]
    epochs = EpochRows.of(examples, make_settings())
    targets = Targets(np.zeros((5, len(NEWS.labels)), np.float32))
    texts = TrainingTexts.encode(examples, targets, tokenizer, epochs, make_settings())
    return TrainingState.start(model, texts, make_settings(), group, None)


def make_checkpoint(folder: Path, settings: Settings, data: str = "a") -> Checkpoint:
    path, unlabelled = folder / "checkpoint.safetensors", settings.unlabelled or None
    return Checkpoint(path, settings, data, {"teacher": "b"}, unlabelled)


def test_the_checkpoint_of_a_run_is_in_its_folder(tmp_path: Path) -> None:
    # GIVEN the record of a run WHEN its checkpoint is made
    settings = make_settings(data=str(HEADLINES), output=str(tmp_path))
    record = TrainingRecord.begin(settings, *load_rows(settings))
    texts = UnlabelledTexts(file="texts.txt", sha256="c" * 64, rows=2, used=1)
    of_run = record.model_copy(update={"teachers": {"teacher": "b"}, "unlabelled": texts})
    # THEN it is in the output folder, for the run's settings and data
    assert Checkpoint.of(of_run).path == tmp_path / "checkpoint.safetensors"
    made = replace(Checkpoint.of(of_run), saved_at=0)
    assert made == Checkpoint(
        made.path, settings, record.dataset_sha256, {"teacher": "b"}, "c" * 64, saved_at=0
    )


def rewrite_identity(path: Path, identity: dict[str, object]) -> None:
    """Make a checkpoint look as if another version had written it."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = file.metadata()
    save_file(tensors, path, {**header, "identity": json.dumps(identity)})


def test_progress_and_weights_are_restored(state: TrainingState, tmp_path: Path) -> None:
    # GIVEN a checkpoint
    progress = Progress(step=7, best=0.5, stale=1, seconds=3.5, history=[(4, 0.5), (7, 0.4)])
    progress.sharpness, progress.best_sharpness = MAX, 0.5
    checkpoint = make_checkpoint(tmp_path, make_settings())
    state.keep_best()
    checkpoint.save(state, progress)
    saved = {name: value.clone() for name, value in state.objective.state_dict().items()}
    # WHEN the weights have changed, and the checkpoint is loaded
    torch.nn.init.zeros_(state.objective.model.classifier.weight)
    best = dict(state.best)
    state.best.clear()
    assert checkpoint.load(state) == progress
    # THEN they are as they were
    for name, value in state.objective.state_dict().items():
        assert torch.equal(value, saved[name]), name
    assert all(torch.equal(value, state.best[name]) for name, value in best.items())


@pytest.mark.parametrize(
    ("changes", "data", "message"),
    [
        ({"seed": 1}, "a", "was made with seed 42, not 1: resume"),
        ({"epochs": 3, "seed": 1}, "a", "epochs 2.0, not 3.0; seed 42, not 1: resume"),
        ({}, "b", "was made with dataset-sha256 a, not b: resume"),
        (
            {"unlabelled": "c", "teachers": "t"},
            "a",
            "was made with unlabelled-sha256 None, not c: resume",
        ),
    ],
)
def test_other_settings_or_data_are_refused(
    state: TrainingState, tmp_path: Path, changes: dict[str, object], data: str, message: str
) -> None:
    make_checkpoint(tmp_path, make_settings()).save(state, Progress())
    with pytest.raises(CheckpointError, match=message):
        make_checkpoint(tmp_path, make_settings(**changes), data).load(state)


def test_what_does_not_change_the_result_may_change(state: TrainingState, tmp_path: Path) -> None:
    # GIVEN a checkpoint WHEN it is resumed from other paths, with other threads
    make_checkpoint(tmp_path, make_settings()).save(state, Progress(step=3))
    other = make_settings(data="e", output="p", threads=1, resume=True, checkpoint_minutes=1)
    # THEN it is resumed
    assert make_checkpoint(tmp_path, other).load(state).step == 3


def test_a_checkpoint_of_a_version_that_lacks_a_setting_is_resumed(
    state: TrainingState, tmp_path: Path
) -> None:
    # GIVEN a checkpoint of an older version, which lists all settings it has, but lacks masking
    checkpoint = make_checkpoint(tmp_path, make_settings())
    checkpoint.save(state, Progress(step=3))
    free = {"data", "new_rows", "output", "resume", "threads", "checkpoint_minutes", "masking"}
    old = make_settings().model_dump(exclude=free)
    shared = {"teachers": ["b"], "dataset_sha256": "a", "text_key": 2}
    rewrite_identity(checkpoint.path, {**old, **shared})
    # WHEN it is resumed with masking at its default THEN it goes on; otherwise it is refused
    assert checkpoint.load(state).step == 3
    with pytest.raises(CheckpointError, match=r"was made with masking 0\.0, not 0\.1"):
        make_checkpoint(tmp_path, make_settings(masking=0.1)).load(state)


def test_a_checkpoint_names_only_settings_that_are_not_at_their_defaults(
    state: TrainingState, tmp_path: Path
) -> None:
    # GIVEN a checkpoint; a version that has removed a setting can resume it
    checkpoint = make_checkpoint(tmp_path, make_settings())
    checkpoint.save(state, Progress())
    with safe_open(checkpoint.path, "pt") as file:
        identity = json.loads(file.metadata()["identity"])
    # THEN nothing is in it that was left at its default
    shared = {"teachers": ["b"], "dataset_sha256": "a", "text_key": 2}
    assert identity == {"epochs": 2.0, **shared}


def test_a_checkpoint_of_a_version_that_held_out_other_rows_is_refused(
    state: TrainingState, tmp_path: Path
) -> None:
    # GIVEN a checkpoint of a version that found equal texts by another key
    checkpoint = make_checkpoint(tmp_path, make_settings())
    checkpoint.save(state, Progress())
    rewrite_identity(checkpoint.path, {"epochs": 2.0, "teachers": ["b"], "dataset_sha256": "a"})
    # WHEN it is resumed THEN the error says how to start again
    with pytest.raises(CheckpointError, match="start again with --overwrite"):
        checkpoint.load(state)


def test_a_damaged_checkpoint_is_an_error(state: TrainingState, tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path, make_settings())
    checkpoint.path.write_bytes(b"half a file")
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoint.load(state)


def test_a_missing_checkpoint_is_an_error(state: TrainingState, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint to resume"):
        make_checkpoint(tmp_path, make_settings()).load(state)


def test_a_checkpoint_is_due_after_its_minutes(tmp_path: Path) -> None:
    assert not make_checkpoint(tmp_path, make_settings(checkpoint_minutes=60)).is_due()
    assert make_checkpoint(tmp_path, make_settings(checkpoint_minutes=0)).is_due()
