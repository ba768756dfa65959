import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import HEADLINES
from textclf.app import main
from training.fit.record import TrainingRecord
from training.fit.settings import Settings

DATA = ["--data", str(HEADLINES)]


@pytest.mark.parametrize(
    "option",
    [
        *("--batch-size 0", "--evaluations 0", "--patience 0", "--new-rows-times 0"),
        *("--epochs -1", "--epochs 0", "--epochs nan", "--epochs many", "--learning-rate 0"),
        *(
            "--seed -1",
            "--threads -1",
            "--max-rows -5",
            "--vocabulary -1",
            "--layers x",
            "--layers 0,0",
        ),
        *("--max-length 1", "--warmup 2", "--masking 1", "--distillation 1.5", "--group-loss -1"),
        *("--precision fp8", "--split half", "--lr 1"),
    ],
)
def test_a_wrong_value_is_an_error_in_one_line_that_names_the_option(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN an option with a value beyond its limits
    output = tmp_path / "run"
    # WHEN the command is run
    assert main(["train", *DATA, "--output", str(output), *option.split()]) == 2
    # THEN the error names the option in one line, and nothing is written
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert option.split()[0] in line
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--group-column STORY", "give both --text-column and --label-column"),
        ("--text-column a --label-column b", "--task news has its own columns"),
        ("--task weather", "unknown task 'weather': choose one of news, sentiment"),
        ("--task sentiment --group-loss 1", "give --group-column"),
        ("--new-rows more --split random", "needs all rows, split by story"),
    ],
)
def test_options_that_do_not_fit_together_are_an_error(
    options: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *DATA, "--output", "o", *options.split()]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_missing_option_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *DATA]) == 2
    assert "--output" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"--data": "nowhere.csv"}, "no such file: nowhere.csv"),
        ({"--base-model": "nowhere"}, "cannot load nowhere"),
        ({"--resume": "true"}, "no checkpoint to resume"),
        ({"--layers": "0,1"}, "has layers 0 to 0"),
        ({"--max-length": "65"}, "reads at most 64 wordpieces"),
        ({"--teachers": "nowhere"}, "no trained model in nowhere"),
    ],
)
def test_what_a_run_lacks_is_an_error(
    options: dict[str, str],
    message: str,
    tiny_base: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    required = {"--data": HEADLINES, "--output": tmp_path, "--base-model": tiny_base}
    words = [f"{name}={value}" for name, value in {**required, **options}.items()]
    assert main(["train", *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_options_become_settings(
    tiny_base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # GIVEN options that are not at their defaults
    settings = Settings(
        data=str(HEADLINES),
        output=str(tmp_path / "a folder"),
        base_model=str(tiny_base),
        epochs=0.1,
        learning_rate=1 / 30000,
        max_rows=300,
        precision="fp32",
    )
    # WHEN the command that has them is run
    program, *words = shlex.split(settings.to_command())
    # THEN the model's record has them, to the last digit
    assert (program, main(words)) == ("textclf", 0)
    assert TrainingRecord.read(Path(settings.output)).settings == settings
    # AND nothing is printed but the run's own lines
    out, err = capfd.readouterr()
    assert err == ""
    words = [line.split()[0] for line in out.splitlines()]
    expected = [f"{HEADLINES}:", f"{HEADLINES}:", "news", "step", "best"]
    assert [word for word in words if word != "note:"] == expected


def test_rows_that_are_left_out_are_counted_with_the_reason(
    tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN 200 texts of nothing but emoji and marks, twenty of them twice
    texts = [chr(0x1F600 + number) for number in range(50)] + [f"{n} :)" for n in range(150)]
    rows = [f"{text},{'ab'[number % 2]}" for number, text in enumerate(texts)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *rows, *rows[-20:]]))
    options = ["--task", "smileys", "--text-column", "text", "--label-column", "label"]
    options += ["--data", str(tmp_path / "rows.csv"), "--base-model", str(tiny_base)]
    options += ["--max-length", "64", "--output", str(tmp_path / "model"), "--epochs", "1"]
    # WHEN a model is trained on them
    assert main(["train", *options]) == 0
    # THEN each of the 220 rows is counted, and only the second ones are left out
    out = capsys.readouterr().out
    parts = re.search(r"(\d+) training, (\d+) validation, (\d+) test rows", out)
    left_out = re.search(r"note: (\d+) rows are left out: they repeat the text and the label", out)
    assert parts
    assert left_out
    assert sum(map(int, parts.groups())) + int(left_out[1]) == 220 or "held out" in out
    # AND a base model that knows none of the emoji is a warning
    assert "of the wordpieces are unknown to the base model" in out
