"""The table of what labels explain, on a file with planted duplicates."""

import csv
from pathlib import Path

import pytest

from benchmarks.label_noise import main as show_noise
from benchmarks.small_encoder import main as write_encoder
from textclf.app import main
from textclf.data_options import DataOptions
from training.data.examples import DataError
from training.data.read import read
from training.data.split import split

COLUMNS = DataOptions(text_column="text", label_column="desk", group_column="story")
TRAINING = ["--task", "desks", "--text-column", "text", "--label-column", "desk"]
TRAINING += ["--group-column", "story", "--epochs", "1", "--evaluations", "1"]
EQUAL = "| equal texts have another label |"


@pytest.fixture(scope="module")
def headlines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of plain headlines, and 40 that two desks have in stories of their own."""
    file = tmp_path_factory.mktemp("noise") / "headlines.csv"
    rows = [
        (f"{subject} number {number} makes news", desk, f"{desk} {number // 4}")
        for desk, subject in (("money", "bank"), ("sport", "club"))
        for number in range(200)
    ]
    rows += [
        (f"Stadium {name} changes hands in deal {name * 7}", desk, f"{desk} deal {name}")
        for name in range(40)
        for desk in ("money", "sport")
    ]
    with file.open("w", newline="") as output:
        csv.writer(output).writerows([("text", "desk", "story"), *rows])
    return file


def read_lines(output: str, start: str) -> list[list[str]]:
    """Read the cells of the lines that start so, one of each model."""
    return [
        [cell.strip() for cell in line.removeprefix(start).strip(" |").split("|")]
        for line in output.splitlines()
        if line.startswith(start)
    ]


def test_all_errors_are_where_the_labels_contradict_each_other(
    headlines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a file in which only texts of two labels cannot be told WHEN the command is run
    show_noise(str(headlines), data=COLUMNS)
    output = capsys.readouterr().out
    # THEN it counts the test rows that have such a text
    dataset = read(str(headlines), COLUMNS.find_task())
    test = split(dataset, "random", seed=42).test
    planted = sum(row.text.startswith("Stadium") for row in test)
    (equal,) = read_lines(output, EQUAL)
    (all_rows,) = read_lines(output, "| all |")
    (others,) = read_lines(output, "| none of these |")
    assert equal[0] == str(planted)
    assert all_rows[0] == str(len(test))
    # AND all errors are among them, with the other label, and there are some
    assert equal[2:4] == ["100.0%", all_rows[3]]
    assert equal[5] == equal[3] != "0"
    assert (others[3], others[-1]) == ("0", "100.00%")
    # AND even an oracle is right about half of them only
    assert f"Oracle of equal texts: {1 - planted / 2 / len(test):.2%}" in output


def test_a_model_trained_on_the_same_split_has_a_table_too(
    headlines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a model that was trained from scratch on the random split
    write_encoder(tmp_path / "small", layers=1, heads=1)
    data = ["--data", str(headlines), "--base-model", str(tmp_path / "small")]
    output = ["--output", str(tmp_path / "random")]
    assert main(["train", *data, *output, *TRAINING, "--split", "random"]) == 0
    capsys.readouterr()
    # WHEN the command is run with it
    show_noise(str(headlines), data=COLUMNS, model=tmp_path / "random")
    shown = capsys.readouterr().out
    # THEN the same rows have the reason for both models
    linear, trained = read_lines(shown, EQUAL)
    assert linear[0] == trained[0]
    assert "`random`" in shown


def test_a_model_of_another_split_is_refused(headlines: Path, tiny_base: Path) -> None:
    # GIVEN a model whose test rows are whole stories
    folder = headlines.parent / "story"
    data = ["--data", str(headlines), "--base-model", str(tiny_base), "--output", str(folder)]
    assert main(["train", *data, *TRAINING, "--max-length", "32"]) == 0
    # WHEN the command is run with it THEN it says which split it needs
    with pytest.raises(DataError, match=r"split: story, seed: 42\): train it .* --split random"):
        show_noise(str(headlines), data=COLUMNS, model=folder)
