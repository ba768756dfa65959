import io
import json

import pytest

from inference.model.classifier import Prediction
from textclf.app import main
from textclf.explain import format_text

MARS = "Life in Mars might be a real possibility"
SCIENCE = Prediction({"Science": 0.98, "Health": 0.02}, truncated=False, tokens=5)
GREEN, STRONG_GREEN, RED, DIM = "\x1b[32m", "\x1b[1;30;42m", "\x1b[4;31m", "\x1b[2m"


def use_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let stdout look like a terminal with colors."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_in_a_pipe_each_word_has_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN two texts on stdin WHEN they are explained in a pipe
    stdin = io.TextIOWrapper(io.BytesIO(f"{MARS}\n\n生物\x00 hi \x00\n".encode()), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", stdin)
    assert main(["explain", "-"]) == 0
    # THEN every word has the number and the label of its text, and its contribution
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    first = [row for row in rows if row[0] == "1"]
    assert [row[2] for row in first] == MARS.split()
    assert {row[1] for row in first} == {"Science"}
    assert max(first, key=lambda row: float(row[3]))[2] == "Mars"
    # AND a word that the model did not read has none
    assert [row[2] for row in rows if row[0] == "2"] == ["生", "物\x00", "hi", "\x00"]
    assert rows[-1][3] == ""


def test_json_lines_are_what_the_api_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", MARS, "Fed holds rates", "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert [word for word, _ in first["explanation"]] == MARS.split()
    assert (second["predicted_label"], len(second["explanation"])) == ("Business", 3)


def test_a_terminal_shows_the_text_and_what_contributes_most(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_terminal(monkeypatch)
    assert main(["explain", MARS]) == 0
    text, reasons = capsys.readouterr().out.splitlines()
    assert text.startswith("Science  9")
    assert f"in {STRONG_GREEN}Mars\x1b[0m might" in text
    assert reasons.strip().startswith("Mars +0.")


@pytest.mark.parametrize("variable", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colors_gets_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: tuple[str, str]
) -> None:
    use_terminal(monkeypatch)
    monkeypatch.setenv(*variable)
    assert main(["explain", MARS]) == 0
    text, reasons = capsys.readouterr().out.splitlines()
    assert text.endswith(f"  {MARS}")
    assert "Mars +0." in reasons


def test_colors_tell_words_for_the_label_from_those_against_it_and_from_unread_ones() -> None:
    explanation = (("a", 0.8), ("b", 0.1), ("c", 0.01), ("d", -0.1), ("e", None))
    line, reasons = format_text("a b c  d\te", SCIENCE, explanation, has_colors=True)
    end = "\x1b[0m"
    assert line.removeprefix("Science  98.0%  ") == (
        f"{STRONG_GREEN}a{end} {GREEN}b{end} c {RED}d{end} {DIM}e{end}"
    )
    assert reasons.strip() == "a +0.800, b +0.100, d -0.100, c +0.010"


def test_words_without_spaces_stay_together() -> None:
    explanation = (("生", 0.4), ("物", 0.3), ("AI", 0.1))
    line, _ = format_text(" 生物 AI", SCIENCE, explanation, has_colors=False)
    assert line == "Science  98.0%  生物 AI"


def test_a_text_cannot_command_the_terminal() -> None:
    explanation = (("\x1b[31mred", 0.4), ("\x07", None))
    lines = format_text("\x1b[31mred \x07", SCIENCE, explanation, has_colors=False)
    assert "\x1b" not in "".join(lines)
    assert "\x07" not in "".join(lines)


def test_a_text_without_a_word_that_contributes_says_so() -> None:
    _, reasons = format_text("a", SCIENCE, (("a", 0.001),), has_colors=True)
    assert reasons.strip() == "no word contributes much"


def test_a_text_that_is_too_long_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "a " * 5001]) == 1
    assert "error: a text to explain has 10,002 characters" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], [" "], ["--jsn", MARS]])
def test_a_wrong_call_is_refused(arguments: list[str]) -> None:
    assert main(["explain", *arguments]) == 2
