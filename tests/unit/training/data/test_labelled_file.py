import csv
from pathlib import Path

import pytest

from inference.tables.options import ReadOptions
from training import tasks
from training.data.examples import DataError
from training.data.labelled_file import LabelledFile, LabelledText
from training.data.read import read
from training.tasks import Task, custom_task, with_labels

TEXTS = [
    'He said: "stocks, fall"',
    "two\nlines",
    "and\r\nothers",
    "a tab\there",
    " blank at its ends ",
    "semicolon; pipe|",
    "a \\ backslash",
    "Ünïcödé, €5",
    "'quote",
]
OWN = with_labels(custom_task("own", "words", "kind", None), ("A", "B"))
GROUPED = with_labels(custom_task("own", "words", "kind", "thread"), ("A", "B"))
LISTS = with_labels(custom_task("own", "words", "kind", None, ";"), ("A", "B"))
FLAGS = custom_task("own", "words", "", None, "", ("A", "B"))
POSITIONS = with_labels(custom_task("own", "2", "0", None), ("A", "B"))


@pytest.mark.parametrize(
    ("task", "options", "labels"),
    [
        (tasks.NEWS, ReadOptions(), ("Science",)),
        (tasks.SENTIMENT, ReadOptions(), ("negative",)),
        (OWN, ReadOptions(), ("B",)),
        (OWN, ReadOptions(delimiter="tab"), ("B",)),
        (OWN, ReadOptions(delimiter=";", quoting="backslash"), ("B",)),
        (OWN, ReadOptions(encoding="cp1252"), ("B",)),
        (OWN, ReadOptions(encoding="utf-16"), ("B",)),
        (GROUPED, ReadOptions(), ("B",)),
        (POSITIONS, ReadOptions(no_header=True), ("B",)),
        (LISTS, ReadOptions(), ("A", "B")),
        (LISTS, ReadOptions(), ()),
        (FLAGS, ReadOptions(), ("B",)),
        (FLAGS, ReadOptions(), ()),
    ],
)
@pytest.mark.parametrize("texts", [TEXTS[:1], TEXTS], ids=["one row", "many rows"])
def test_training_reads_what_was_written(
    tmp_path: Path, task: Task, options: ReadOptions, labels: tuple[str, ...], texts: list[str]
) -> None:
    # GIVEN texts with their labels WHEN they are written in the layout of a task
    path = tmp_path / "new" / "corrections.csv"
    file = LabelledFile(task, options)
    rows = [LabelledText(text, labels) for text in texts]
    assert {file.find_problem(row) for row in rows} == {""}
    file.write(rows, path)
    # THEN training reads the same
    examples = read(str(path), task, options).examples
    assert [example.text for example in examples] == texts
    numbers = [task.labels.index(label) for label in labels]
    for example in examples:
        assert list(example.labels or () if task.is_multi_label else [example.label]) == numbers
    # AND nothing else is in the folder, whose files are all read
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("text", [";", "b;NA", "a\tb", "\ufeff,|="])
def test_a_file_of_one_text_with_other_separators_is_read_as_written(
    tmp_path: Path, text: str
) -> None:
    # GIVEN a text like a row of another dialect, as anybody may have it classified
    path = tmp_path / "new.csv"
    # WHEN it is written alone THEN it is read as it is
    LabelledFile(tasks.NEWS, ReadOptions()).write([LabelledText(text, ("Health",))], path)
    assert [one.text for one in read(str(path), tasks.NEWS, ReadOptions()).examples] == [text]


def test_the_news_have_the_time_of_the_feedback_and_no_story(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    LabelledFile(tasks.NEWS, ReadOptions()).write([LabelledText("Fed", ("Health",), 1234)], path)
    (fields,) = csv.reader(path.read_text().splitlines())
    assert fields == ["1", "Fed", "", "", "m", "", "", "1234"]


@pytest.mark.parametrize(
    ("task", "options", "row", "problem"),
    [
        (OWN, ReadOptions(), LabelledText(" \u200b", ("A",)), "blank"),
        (OWN, ReadOptions(), LabelledText("a", ("C",)), "'C' is not a label"),
        (OWN, ReadOptions(), LabelledText("a", ("A", "B")), "2 labels"),
        (OWN, ReadOptions(), LabelledText("a", ()), "0 labels"),
        (OWN, ReadOptions(encoding="cp1252"), LabelledText("日本", ("A",)), "cp1252 lacks"),
        (OWN, ReadOptions(delimiter="tab", quoting="none"), LabelledText("\t", ("A",)), "blank"),
        (OWN, ReadOptions(delimiter="tab", quoting="none"), LabelledText("a\tb", ("A",)), "quotes"),
        (OWN, ReadOptions(quoting="none"), LabelledText("a\nb", ("A",)), "quotes"),
    ],
)
def test_a_row_that_cannot_be_written_has_its_reason(
    task: Task, options: ReadOptions, row: LabelledText, problem: str
) -> None:
    assert problem in LabelledFile(task, options).find_problem(row)


def test_a_label_with_the_separator_cannot_be_in_a_list() -> None:
    task = with_labels(custom_task("own", "words", "kind", None, ";"), ("A;B", "C"))
    problem = LabelledFile(task, ReadOptions()).find_problem(LabelledText("a", ("A;B",)))
    assert "contains the separator" in problem


def test_an_earlier_file_stays_if_training_could_not_read_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an earlier file, and a file that would be read in another way
    path = tmp_path / "new.csv"
    path.write_text("earlier")
    file = LabelledFile(OWN, ReadOptions())
    monkeypatch.setattr(LabelledFile, "_delimiter", "\x01")
    monkeypatch.setattr(file, "_options", ReadOptions(delimiter=";"))
    # WHEN it is written THEN the error names the file, which is as it was
    with pytest.raises(DataError, match=r"new\.csv"):
        file.write([LabelledText("a", ("A",))], path)
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("task", "header", "row"),
    [
        (OWN, ["words", "kind"], ["text", ""]),
        (GROUPED, ["words", "kind", "thread"], ["text", "", ""]),
        (FLAGS, ["words", "A", "B"], ["text", "", ""]),
    ],
)
def test_texts_without_labels_have_empty_cells_for_them(
    task: Task, header: list[str], row: list[str], tmp_path: Path
) -> None:
    LabelledFile(task, ReadOptions()).write_unlabelled(["text"], tmp_path / "next.csv")
    assert list(csv.reader((tmp_path / "next.csv").read_text().splitlines())) == [header, row]
