"""`textclf labels next --stack`: from the prediction log of a stack to texts to label."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import HEADLINES
from tests.integration.conftest import STACK, Call, PredictionTable
from textclf.app import main
from training.data.read import read
from training.tasks import NEWS

SURE = ["Shares fall as the central bank raises rates", "Flu vaccine cuts hospital stays"]
UNSURE = "They lasted 14 days..."


def predict(call: Call, texts: list[str]) -> None:
    assert call("POST", "/predict", {"inputs": texts})[0] == 200


def choose(output: Path, *more: str) -> int:
    command = ["labels", "next", "--stack", STACK, "--output", str(output)]
    return main([*command, "--budget", "1", *more])


def test_texts_that_the_live_model_is_unsure_of_are_chosen_from_the_log(
    sample_service: Call,
    deploy_sample: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a stack that keeps texts, and was asked about three, one of them twice
    deploy_sample()
    predict(sample_service, [*SURE, UNSURE, UNSURE.upper()])
    capsys.readouterr()
    # WHEN the next text to label is chosen
    output = tmp_path / "next.csv"
    assert choose(output) == 0
    # THEN it is the one that the model is unsure of, in the layout of the model's data
    with output.open(newline="") as file:
        ((_, text, _, _, category, *_),) = csv.reader(file)
    assert (text.casefold(), category) == (UNSURE.casefold(), "")
    # AND the command says what became of all texts
    out = capsys.readouterr().out
    assert "4 texts that " in out
    assert "4 texts = 3 to choose from + 1 repeated" in out


def test_texts_of_the_log_that_have_labels_are_left_out(
    sample_service: Call,
    deploy_sample: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deploy_sample()
    known = read(str(HEADLINES), NEWS).examples[0].text
    predict(sample_service, [known, *SURE])
    capsys.readouterr()
    assert choose(tmp_path / "next.csv", "--labelled", str(HEADLINES)) == 0
    assert "2 to choose from + 1 labelled already" in capsys.readouterr().out


def test_a_log_without_texts_says_how_to_keep_them(
    start: Callable[..., Call],
    sample_uri: str,
    table: PredictionTable,
    deploy_sample: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a stack that logs predictions without their texts
    deploy_sample("false")
    call = start(sample_uri, PREDICTION_TABLE=table.name, PREDICTION_TIMEOUT_MS="5000")
    predict(call, SURE)
    capsys.readouterr()
    # WHEN texts are to be chosen THEN the error says what to deploy
    assert choose(tmp_path / "next.csv") == 1
    assert "2 predictions and none of their texts" in (error := capsys.readouterr().err)
    assert "LogText=true" in error
    assert not (tmp_path / "next.csv").exists()


def test_an_empty_log_is_an_error(
    deploy_sample: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy_sample()
    assert choose(tmp_path / "next.csv", "--hours", "2") == 1
    assert "from the last 2 hours: try more --hours" in capsys.readouterr().err


def test_a_stack_without_a_log_says_what_to_deploy(
    deploy_sample: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy_sample(has_table=False)
    assert choose(tmp_path / "next.csv") == 1
    assert "PredictionLog=on LogText=true" in capsys.readouterr().err
