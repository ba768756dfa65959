"""How the program of a job finds its inputs, in the layout that SageMaker prepares."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from training.fit.settings import Settings
from training.sagemaker.container import ChannelError, Container, Delivery, read_hyperparameters


@pytest.fixture
def container(tmp_path: Path) -> Container:
    """A container with nothing but its data."""
    container = Container(tmp_path)
    container.checkpoints.mkdir()
    container.channel("training").mkdir(parents=True)
    (container.channel("training") / "news.csv.xz").touch()
    return container


def read(container: Container, **values: Any) -> tuple[Settings, Delivery]:
    given = {"store": "s3://models/news", "publish": True} | values
    return read_hyperparameters(container, json.dumps(given))


def test_settings_keep_their_types_and_get_the_containers_folders(container: Container) -> None:
    # WHEN the toolkit passes hyperparameters on, by the names of options
    settings, delivery = read(
        container, **{"epochs": 2.0, "text-column": "1", "label-column": "y"}, task="t"
    )
    # THEN they are settings of a training from the data channel into the checkpoints
    assert settings == Settings(
        data=str(container.channel("training") / "news.csv.xz"),
        output=str(container.checkpoints),
        task="t",
        text_column="1",
        label_column="y",
        epochs=2,
    )
    assert delivery == Delivery(store="s3://models/news", publish=True)


def test_a_job_accepts_a_model_that_is_worse_than_a_linear_one_only_if_told(
    container: Container,
) -> None:
    assert not read(container)[1].allow_worse
    assert read(container, **{"allow-worse": True})[1].allow_worse


def test_values_that_lost_their_type_are_read_too(container: Container) -> None:
    settings, delivery = read(container, publish="false", seed="7")
    assert (delivery.publish, settings.seed) == (False, 7)


@pytest.mark.parametrize(
    "values", [{"epoches": 3}, {"epochs": -1}, {"previous": "s3://models/news/0123456789abcdef"}]
)
def test_unknown_wrong_and_incomplete_hyperparameters_are_refused(
    values: dict[str, Any], container: Container
) -> None:
    with pytest.raises(ValidationError):
        read(container, **values)


def test_a_base_model_and_new_rows_are_found_in_their_channels(container: Container) -> None:
    container.channel("model").mkdir()
    container.new_rows.mkdir()
    settings, _ = read(container, **{"new-rows-times": 3})
    assert settings.base_model == str(container.channel("model"))
    assert (settings.new_rows, settings.new_rows_times) == (str(container.new_rows), 3)


def test_a_job_resumes_from_the_checkpoint_of_an_earlier_instance(container: Container) -> None:
    assert not read(container)[0].resume
    (container.checkpoints / "checkpoint.safetensors").touch()
    assert read(container)[0].resume


@pytest.mark.parametrize("names", [[], ["a.csv", "b.csv"]])
def test_data_that_is_not_one_file_is_refused(names: list[str], tmp_path: Path) -> None:
    container = Container(tmp_path)
    container.channel("training").mkdir(parents=True)
    for name in names:
        (container.channel("training") / name).touch()
    with pytest.raises(ChannelError, match=f"one file, not {len(names)}"):
        read(container)


def test_a_later_instance_continues_with_the_new_rows_of_the_first(container: Container) -> None:
    # GIVEN a job that copied its new rows, and saved a checkpoint
    container.channel("new").mkdir()
    (container.channel("new") / "first.csv").touch()
    container.keep_new_rows()
    (container.checkpoints / "checkpoint.safetensors").touch()
    # WHEN another instance starts, after one more file arrived
    (container.channel("new") / "second.csv").touch()
    container.keep_new_rows()
    # THEN it has the rows that the checkpoint was made with
    assert [path.name for path in container.new_rows.iterdir()] == ["first.csv"]


def test_a_job_without_a_checkpoint_begins_with_all_new_rows(container: Container) -> None:
    # GIVEN an instance that was interrupted before its first checkpoint
    container.channel("new").mkdir()
    (container.channel("new") / "first.csv").touch()
    container.keep_new_rows()
    # WHEN another starts, after one more file arrived THEN it takes both
    (container.channel("new") / "second.csv").touch()
    container.keep_new_rows()
    assert {path.name for path in container.new_rows.iterdir()} == {"first.csv", "second.csv"}
