import io
import json
from pathlib import Path

import pytest

from inference.api.answers import answer_one
from inference.local.checkout import SAMPLE_MODEL
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier, Prediction
from textclf import model_uri, predict
from textclf.app import main

MARS = "Life in Mars might be a real possibility"
SHIPPED = read_verified(SAMPLE_MODEL)


def use_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


def ask(text: str) -> Prediction:
    """Return what the shipped model answers."""
    return Classifier.load(SHIPPED).predict([text])[0]


def expect_line(text: str) -> list[str]:
    """Return the columns that a pipe gets, the last one only if the shipped model may abstain."""
    prediction = ask(text)
    abstention = [prediction.abstention or ""] if SHIPPED.manifest.can_abstain else []
    return [prediction.label, f"{prediction.confidence:.4f}", text, *abstention]


def test_a_text_is_classified_by_the_sample_model(capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN no model WHEN a text is classified in a pipe
    assert main(["predict", MARS]) == 0
    # THEN the label, its probability and the text are separated by tabs
    columns = capsys.readouterr().out.removesuffix("\n").split("\t")
    assert columns == expect_line(MARS)
    assert columns[0] == "Science"


def test_every_line_of_stdin_is_classified(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN lines with a blank one and a tab in them
    use_stdin(monkeypatch, b"Fed holds rates\r\n \nFlu shots cut\thospital stays\n")
    # WHEN they are read from stdin THEN each text has a line, in their order
    assert main(["predict", "-"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [(label, text) for label, _, text, *_ in lines] == [
        ("Business", "Fed holds rates"),
        ("Health", "Flu shots cut hospital stays"),
    ]


def test_json_lines_are_what_the_api_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", MARS, "Fed holds rates", "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == answer_one(ask(MARS), SHIPPED.version).to_dict()
    assert second == answer_one(ask("Fed holds rates"), SHIPPED.version).to_dict()
    fields = ["predicted_label", "confidence", "probabilities", "truncated"]
    assert list(first)[:4] == fields
    assert list(first)[-1] == "model_version"
    assert (first["predicted_label"], first["model_version"]) == ("Science", SHIPPED.version)


def test_a_terminal_shows_the_shares_of_the_other_labels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["predict", MARS]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("Science ")
    assert "%  █████" in line
    assert all(f"{label} " in line for label in ("Business", "Entertainment", "Health"))


def test_a_terminal_shows_as_much_of_each_text_as_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["predict", MARS, "Fed holds rates"]) == 0
    long, short = capsys.readouterr().out.splitlines()
    assert len(long) == 60
    assert long.endswith("…")
    assert short.endswith("Fed holds rates")


@pytest.mark.parametrize(("share", "bar"), [(0, " " * 10), (0.5, "█" * 5 + " " * 5), (1, "█" * 10)])
def test_a_bar_is_as_long_as_its_share(share: float, bar: str) -> None:
    assert predict._draw_bar(share) == bar


@pytest.mark.parametrize("form", ["folder", "URI"])
def test_the_model_is_a_folder_or_a_uri(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    location = str(SAMPLE_MODEL) if form == "folder" else SAMPLE_MODEL.as_uri()
    assert main(["predict", MARS, "--model-uri", location]) == 0
    assert capsys.readouterr().out.startswith("Science\t")


def test_a_folder_without_a_model_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", MARS, "--model-uri", str(tmp_path)]) == 1
    assert f"error: there is no model in {tmp_path}: give --model-uri" in capsys.readouterr().err


def test_a_missing_sample_model_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(model_uri, "SAMPLE_MODEL", tmp_path / "gone")
    assert main(["predict", MARS]) == 1
    assert "there is no model in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "TEXTS requires an argument"),
        ([" "], "a text is blank"),
        (["--jsn", MARS], "there is no option --jsn"),
    ],
)
def test_a_wrong_call_is_explained(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_text_may_start_with_a_hyphen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "-5 degrees in London"]) == 0
    assert "\t-5 degrees in London" in capsys.readouterr().out


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_stdin_in_another_encoding_is_an_error(
    errors: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN bytes that are not UTF-8; in the C locale, Python lets them pass
    stdin = io.TextIOWrapper(io.BytesIO(b"Caf\xe9\n"), encoding="utf-8", errors=errors)
    monkeypatch.setattr("sys.stdin", stdin)
    # WHEN they are read from stdin THEN that is an error
    assert main(["predict", "-"]) == 1
    assert "stdin is not UTF-8, as the byte 0xe9 shows: convert it" in capsys.readouterr().err
