from pathlib import Path

import pytest

from training.data.examples import DataError
from training.labels.llm.label_set import Label, read_labels


def test_commas_separate_labels() -> None:
    assert read_labels("Business, Science,") == (Label("Business"), Label("Science"))


def test_a_file_describes_labels_and_gives_examples(tmp_path: Path) -> None:
    # GIVEN a file with two examples of one label
    file = tmp_path / "labels.csv"
    file.write_text(
        "label,description,example\n"
        'Business,"companies, markets",Shares fall\n'
        "Business,,Bank raises rates\n"
        "Health,,\n"
    )
    # WHEN it is read THEN its rows are joined
    assert read_labels(str(file)) == (
        Label("Business", "companies, markets", ("Shares fall", "Bank raises rates")),
        Label("Health"),
    )


def test_a_file_may_have_nothing_but_labels(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("label\nBusiness\nHealth\n")
    assert read_labels(str(file)) == (Label("Business"), Label("Health"))


def test_a_file_may_have_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_text('{"label": "a", "description": "letters"}\n{"label": "1"}\n')
    assert read_labels(str(file)) == (Label("a", "letters"), Label("1"))


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ("Business", "two labels or more"),
        ("", "two labels or more"),
        ("a,b,a", "a label is named twice"),
        ("Health,health", "is 'health' the label 'Health'"),
        ("missing.csv", "no such file"),
        ("a\udcff,b", "not valid in the terminal's encoding"),
    ],
)
def test_labels_that_cannot_be_told_apart_are_refused(labels: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read_labels(labels)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("label,description\na,one\na,two\nb,\n", "line 3: 'a' has another description above"),
        ("label,description\n,one\nb,\n", "line 2: the text is blank"),
        ("name,description\na,one\n", "no column 'label'"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(content)
    with pytest.raises(DataError, match=problem):
        read_labels(str(file))
