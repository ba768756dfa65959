"""`textclf labels export`: from the page's corrections to the rows that retraining reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import STACK, Call, PredictionTable
from textclf.app import main
from training import tasks
from training.data.read import read

TEXTS = ["Fed holds rates, again", 'A "film" about a festival', "New vaccine halves stays"]


def predict(call: Call, texts: list[str] = TEXTS) -> list[Any]:
    predictions: list[Any] = call("POST", "/predict", {"inputs": texts})[2]["predictions"]
    return predictions


def say(call: Call, prediction: Any, label: str) -> None:
    body = {"prediction_id": prediction["prediction_id"], "label": label}
    assert call("POST", "/feedback", body)[0] == 200


def export(output: Path, *more: str) -> int:
    return main(["labels", "export", "--stack", STACK, "--output", str(output), *more])


def test_corrected_texts_are_written_as_new_rows(
    sample_service: Call,
    deploy_sample: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a stack on which people corrected two labels, one of them twice, and confirmed one
    deploy_sample()
    first, second, third = predict(sample_service)
    say(sample_service, first, "Health")
    say(sample_service, first, "Science")
    say(sample_service, second, "Business")
    say(sample_service, third, third["predicted_label"])
    capsys.readouterr()
    # WHEN the corrections are exported
    output = tmp_path / "new" / "corrections.csv"
    assert export(output) == 0
    # THEN training reads them with the right labels
    examples = read(str(output), tasks.NEWS).examples
    labels = {one.text: tasks.NEWS.labels[one.label] for one in examples}
    assert labels == {TEXTS[0]: "Science", TEXTS[1]: "Business"}
    # AND the command says what became of all feedback
    assert capsys.readouterr().out == (
        f"{output}: 3 predictions with feedback = 2 rows + 1 that the model got right "
        "+ 0 repeated + 0 rejected\n"
    )


def test_confirmed_labels_are_written_too_if_they_are_wanted(
    sample_service: Call, deploy_sample: Callable[..., None], tmp_path: Path
) -> None:
    deploy_sample()
    (prediction,) = predict(sample_service, TEXTS[:1])
    say(sample_service, prediction, prediction["predicted_label"])
    assert export(tmp_path / "new.csv", "--confirmed") == 0
    assert len(read(str(tmp_path / "new.csv"), tasks.NEWS).examples) == 1


def test_predictions_that_expired_are_left_out_and_named(
    sample_service: Call,
    deploy_sample: Callable[..., None],
    table: PredictionTable,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deploy_sample()
    first, second, _ = predict(sample_service)
    say(sample_service, first, "Science")
    say(sample_service, second, "Science")
    table.expire("the-request-id#1")
    assert export(tmp_path / "new.csv") == 0
    out, error = capsys.readouterr()
    assert "= 1 rows + 0 that the model got right + 0 repeated + 1 rejected" in out
    assert error == f"{second['prediction_id']}: the prediction has expired\n"


def test_a_stack_without_texts_is_a_clear_error(
    start: Callable[..., Call],
    sample_uri: str,
    table: PredictionTable,
    deploy_sample: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a stack with LogText=false
    deploy_sample("false")
    call = start(sample_uri, PREDICTION_TABLE=table.name, PREDICTION_TIMEOUT_MS="5000")
    (prediction,) = predict(call, TEXTS[:1])
    say(call, prediction, "Science")
    # WHEN corrections are exported THEN nothing is written, and the error says what to do
    assert export(tmp_path / "new.csv") == 1
    assert "deploy it with LogText=true" in capsys.readouterr().err
    assert not (tmp_path / "new.csv").exists()


def test_a_stack_without_a_table_is_a_clear_error(
    deploy_sample: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy_sample(has_table=False)
    assert export(tmp_path / "new.csv") == 1
    assert "PredictionLog=on LogText=true" in capsys.readouterr().err


def test_without_feedback_an_earlier_file_stays(
    deploy_sample: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy_sample()
    (tmp_path / "new.csv").write_text("earlier")
    assert export(tmp_path / "new.csv") == 1
    assert "nobody has sent feedback" in capsys.readouterr().err
    assert (tmp_path / "new.csv").read_text() == "earlier"
