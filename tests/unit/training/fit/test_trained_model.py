import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import HEADLINES, TinyModel
from training.atomic import OutputError
from training.data.examples import DataError
from training.fit.rows import ROWS, load_rows
from training.fit.settings import Settings
from training.fit.trained_model import (
    ANSWERS,
    StaleError,
    open_trained_model,
    replacing_model,
)


@pytest.fixture
def model(tiny_model: TinyModel, tmp_path: Path) -> Path:
    """A copy of the tiny model, and of its data."""
    shutil.copytree(tiny_model.folder, tmp_path / "model")
    shutil.copy(HEADLINES, tmp_path)
    record = json.loads((tmp_path / "model" / "training.json").read_text())
    record["settings"]["data"] = str(tmp_path / HEADLINES.name)
    (tmp_path / "model" / "training.json").write_text(json.dumps(record))
    return tmp_path / "model"


def test_a_model_is_opened_with_the_rows_it_was_trained_on(model: Path) -> None:
    trained = open_trained_model(model)
    assert (trained.dataset, trained.rows) == load_rows(Settings(data=str(HEADLINES), output="o"))
    assert trained.labels == ("Business", "Science", "Entertainment", "Health")


def test_rows_are_selected_as_they_were_saved_and_not_split_again(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a version of the code that would split in another way
    before = open_trained_model(model).rows
    monkeypatch.setattr("training.data.split.TEST_SHARE", 0.5)
    # WHEN the model is opened THEN its rows are the same
    assert open_trained_model(model).rows == before


def test_the_rows_of_a_model_of_an_older_version_are_split_again(model: Path) -> None:
    # GIVEN a model without row numbers
    before = open_trained_model(model).rows
    (model / ROWS).unlink()
    # WHEN it is opened THEN its rows are the same
    assert open_trained_model(model).rows == before


def test_data_that_has_changed_is_an_error(model: Path) -> None:
    with (model.parent / HEADLINES.name).open("a") as file:
        file.write("1\tOne more\turl\tWire\tb\tstory\thost\t1\n")
    with pytest.raises(StaleError, match="has changed since the model was trained on it"):
        open_trained_model(model)


def test_row_numbers_of_another_model_are_an_error(model: Path) -> None:
    # GIVEN a model whose record has other sizes
    record = json.loads((model / "training.json").read_text())
    record["rows"]["test"] += 1
    (model / "training.json").write_text(json.dumps(record))
    # WHEN it is opened THEN the error names the file
    with pytest.raises(StaleError, match=r"rows\.npz"):
        open_trained_model(model)


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no trained model in"):
        open_trained_model(tmp_path)


def test_nothing_of_an_earlier_model_outlives_it(model: Path) -> None:
    # GIVEN a model with its reports, its bundle and its answers to students
    (model / ANSWERS).mkdir(exist_ok=True)
    # WHEN another replaces it
    with replacing_model(model) as folder:
        (folder / "model.safetensors").write_text("new weights")
    # THEN nothing else is left, and what is there is not complete
    assert [file.name for file in model.iterdir()] == ["model.safetensors"]
    with pytest.raises(DataError, match="no trained model in"):
        open_trained_model(model)


def test_a_model_that_cannot_be_written_leaves_the_earlier_one(model: Path) -> None:
    # GIVEN a disk that is full when the new model is written
    before = open_trained_model(model)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    message = f"cannot write {model}: No space left on device"
    with pytest.raises(OutputError, match=message), replacing_model(model):
        raise full
    # THEN the earlier model is whole, with its report and its bundle
    assert open_trained_model(model) == before
    assert (model / "report.md").exists()
    assert (model / "bundle").exists()
    assert not (model / ".new").exists()
