import shlex

import pytest

from tests.conftest import HEADLINES
from training.data.examples import DataError
from training.fit.settings import Settings, command, parse, rows_of

REQUIRED = ["--data", "d", "--output", "o"]


def test_every_setting_is_an_option() -> None:
    settings = parse("", [*REQUIRED, "--learning-rate", "3e-5", "--max-rows", "7"])
    assert (settings.learning_rate, settings.max_rows) == (3e-5, 7)


def test_a_command_is_read_back_to_the_last_digit() -> None:
    settings = Settings(data="my data.csv", output="o", learning_rate=1 / 30000, resume=True)
    words = shlex.split(command(settings))
    assert words[:3] == ["python", "-m", "training.fit.train"]
    assert parse("", words[3:]) == settings


@pytest.mark.parametrize("words", [["--resume"], ["--resume", "True"], ["--resume", "true"]])
def test_a_flag_may_have_a_value_as_sagemaker_writes_it(words: list[str]) -> None:
    assert parse("", [*REQUIRED, *words]).resume is True
    assert parse("", [*REQUIRED, "--resume", "False"]).resume is False


def test_an_unknown_option_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("", [*REQUIRED, "--lr", "1"])
    assert "unrecognized arguments: --lr" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--group-column", "STORY"], "give both --text-column and --label-column"),
        (["--text-column", "TITLE"], "give both --text-column and --label-column"),
        (["--text-column", "a", "--label-column", "b"], "--task news has its own columns"),
    ],
)
def test_columns_are_never_ignored(options: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows_of(parse("", ["--data", str(HEADLINES), "--output", "o", *options]))


def test_an_unknown_task_is_an_error() -> None:
    with pytest.raises(DataError, match="unknown task 'weather': choose one of news, sentiment"):
        rows_of(Settings(data=str(HEADLINES), output="o", task="weather"))


def test_groups_can_only_be_learnt_where_there_are_some() -> None:
    with pytest.raises(DataError, match="name their --group-column"):
        rows_of(Settings(data=str(HEADLINES), output="o", task="sentiment", group_loss=0.5))


@pytest.mark.parametrize(("times", "folder"), [(0, "data"), (2, "")])
def test_new_rows_are_learnt_at_least_once_and_are_there(times: int, folder: str) -> None:
    settings = Settings(str(HEADLINES), "o", new_rows=folder, new_rows_times=times)
    with pytest.raises(DataError, match="--new-rows-times: give 1 or more"):
        rows_of(settings)


@pytest.mark.parametrize(
    "options", [["--distillation", "1.5"], ["--group-loss", "-1"], ["--masking", "1"]]
)
def test_a_share_that_is_none_is_an_error(options: list[str]) -> None:
    with pytest.raises(DataError, match=f"{options[0]}: give 0 to"):
        rows_of(parse("", ["--data", str(HEADLINES), "--output", "o", *options]))
