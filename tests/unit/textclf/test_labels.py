import csv
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import HEADLINES, ROOT, SAMPLE_DATA, SAMPLE_MODEL
from textclf.app import main
from training.data.new_rows import join
from training.data.read import read
from training.data.text_key import normalise
from training.tasks import NEWS, custom_task

TICKETS = SAMPLE_DATA / "tickets.csv"
COLUMNS = ["--text-column", "text", "--label-column", "topic"]
TASK = custom_task("tickets", "text", "topic", None)
PAGE = (ROOT / "docs" / "your-own-texts.md").read_text().partition("## Check the labels")[2]


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    """The sample tickets, one of them with a wrong label."""
    path = tmp_path / "tickets.csv"
    right, wrong = (f"Can I pay by bank transfer?,{topic}\n" for topic in ("Billing", "Delivery"))
    content = TICKETS.read_text()
    assert right in content
    path.write_text(content.replace(right, wrong))
    return path


def test_check_lists_a_wrong_label_with_its_line(
    tickets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a file with a wrong label in line 71
    output = tickets.with_name("suspects.csv")
    # WHEN it is checked
    assert main(["labels", "check", str(tickets), *COLUMNS, "--output", str(output)]) == 0
    # THEN the line is in the list with the right label
    by_line = {row["line"]: row for row in read_table(output)}
    assert by_line["71"]["label"] == "Delivery"
    assert by_line["71"]["suggested"] == "Billing"
    # AND the list begins with the surest
    scores = [float(row["score"]) for row in by_line.values()]
    assert scores == sorted(scores, reverse=True)
    # AND the command says that no row is missing
    out = capsys.readouterr().out
    assert "100 rows = 100 used + 0 rejected" in out
    assert f"{output} lists them" in out


def test_check_counts_bad_rows_that_are_skipped(
    tickets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tickets.write_text(tickets.read_text() + "no label,\n")
    arguments = ["labels", "check", str(tickets), *COLUMNS, "--features", "words"]
    arguments += ["--output", str(tickets.with_name("suspects.csv"))]
    assert main(arguments) == 1
    assert "the label is blank" in capsys.readouterr().err
    assert main([*arguments, "--skip-bad-rows"]) == 0
    assert "101 rows = 100 used + 1 rejected" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["check", str(TICKETS), *COLUMNS], ["next", str(TICKETS), "--budget", "3"]]
)
def test_an_output_that_exists_is_replaced_only_when_told(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a list that someone may have worked on
    output = tmp_path / "list.csv"
    output.write_text("precious")
    # WHEN the command is given again THEN it refuses, and the list stays
    command = ["labels", *arguments, "--output", str(output)]
    assert main(command) == 1
    assert "--overwrite to replace it" in capsys.readouterr().err
    assert output.read_text() == "precious"
    # BUT it replaces the list if that is wanted
    assert main([*command, "--overwrite"]) == 0
    assert output.read_text().startswith(("line,text", '"text","label"'))


@pytest.mark.parametrize("arguments", [["check", *COLUMNS], ["next", "--budget", "3"]])
def test_the_input_is_never_replaced(
    arguments: list[str], tickets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tickets.read_bytes()
    options = ["--output", str(tickets), "--overwrite"]
    assert main(["labels", *arguments, str(tickets), *options]) == 1
    assert "is read, too" in capsys.readouterr().err
    assert tickets.read_bytes() == before


def test_next_writes_texts_that_training_reads_as_new_rows(tmp_path: Path) -> None:
    # GIVEN new tickets, and sixty with labels, some of them the same
    lines = TICKETS.read_text().splitlines(keepends=True)
    labelled, new = tmp_path / "labelled.csv", tmp_path / "new" / "next.csv"
    labelled.write_text("".join(lines[:61]))
    # WHEN ten are chosen
    command = ["labels", "next", str(TICKETS), "--budget", "10", "--labelled", str(labelled)]
    assert main([*command, "--label-column", "topic", "--output", str(new)]) == 0
    # THEN their labels are empty, and none of the texts is labelled already
    rows = read_table(new)
    known = {normalise(row["text"]) for row in read_table(labelled)}
    assert [row["topic"] for row in rows] == [""] * 10
    assert not known & {normalise(row["text"]) for row in rows}
    # AND once they are filled in, training joins them
    answers = {row["text"]: row["topic"] for row in read_table(TICKETS)}
    with new.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(rows[0])
        table.writerows((row["text"], answers[row["text"]]) for row in rows)
    joined = join(read(str(labelled), TASK), new.parent, seed=1)
    assert [file.problem for file in joined.new_files] == [""]
    assert joined.new_files[0].rows + joined.new_files[0].held_out == 10


def test_next_keeps_the_layout_of_a_task_without_a_header(tmp_path: Path) -> None:
    # GIVEN the headlines, whose file has eight columns and no header
    output = tmp_path / "next.csv"
    command = ["labels", "next", str(HEADLINES), "--task", "news", "--budget", "4"]
    # WHEN some are chosen, and labelled
    assert main([*command, "--model", str(SAMPLE_MODEL), "--output", str(output)]) == 0
    with output.open(newline="") as file:
        rows = list(csv.reader(file))
    assert [row[4] for row in rows] == [""] * 4
    for row in rows:
        row[4] = "b"
    with output.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    # THEN training reads them
    texts = [example.text for example in read(str(output), NEWS).examples]
    assert texts == [row[1] for row in rows]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a file of texts, or a --stack"),
        (["texts.csv", "--stack", "prod"], "give a file of texts, or a --stack"),
        (["texts.csv", "--budget", "0"], "--budget"),
    ],
)
def test_next_explains_wrong_usage(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["labels", "next", "--budget", "5", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_next_says_that_all_texts_have_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.csv"
    shutil.copy(TICKETS, copy)
    command = ["labels", "next", str(TICKETS), "--budget", "10", "--labelled", str(copy)]
    output = tmp_path / "next.csv"
    assert main([*command, "--label-column", "topic", "--output", str(output)]) == 1
    assert "no text is left to label" in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize("command", [["check", *COLUMNS], ["next", "--budget", "3"]])
def test_a_folder_without_a_model_is_named(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [str(TICKETS), "--model", str(tmp_path), "--output", str(tmp_path / "out.csv")]
    assert main(["labels", *command, *options]) == 1
    assert f"there is no model in {tmp_path}" in capsys.readouterr().err


def test_the_page_shows_what_check_prints_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN the commands and the output on the page, and the file that the first one makes
    (tmp_path / "data").symlink_to(SAMPLE_DATA)
    monkeypatch.chdir(tmp_path)
    commands = r"```sh\n(sed .*?)\n(textclf labels check .*?)```"
    make, command = re.findall(commands, PAGE, re.DOTALL)[0]
    subprocess.run(make, shell=True, check=True)  # noqa: S602
    printed, written = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[:2]
    # WHEN the command is run THEN it gives that output
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out == printed
    assert Path("suspects.csv").read_text() == written


def test_the_script_of_the_page_applies_suggestions_to_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a file with a text over two lines, and a suggestion for the row after it
    monkeypatch.chdir(tmp_path)
    tickets = 'text,topic\n"two\nlines",Billing\nparcel,Billing\nlogin,Account\n'
    Path("tickets.csv").write_text(tickets)
    Path("suspects.csv").write_text(
        "line,text,label,suggested,score\n4,parcel,Billing,Delivery,0.9\n"
    )
    # WHEN the script of the page is run
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0], {})  # noqa: S102
    # THEN only that row has another label
    with Path("corrected.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["text", "topic"],
            ["two\nlines", "Billing"],
            ["parcel", "Delivery"],
            ["login", "Account"],
        ]
