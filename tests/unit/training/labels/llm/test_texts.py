from pathlib import Path

import pytest

from inference.tables.columns import InputColumns
from inference.tables.options import ReadOptions
from training.data.examples import LONGEST_TEXT, DataError
from training.labels.llm.texts import cut, read_check_rows, read_texts

LABELED = InputColumns("text", ("label",))


def test_every_row_is_a_text_or_a_reject(tmp_path: Path) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text('{"text": "one"}\n{"text": ""}\n{"other": 1}\n{"text": "two"}\n')
    texts = read_texts(str(file), InputColumns("text"), ReadOptions())
    assert [row.text for row in texts.rows] == ["one", "two"]
    assert [reject.line for reject in texts.rejects] == [2, 3]
    assert texts.count == 4
    assert texts.bad_rows.count == 2


def test_a_file_without_texts_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "texts.csv"
    file.write_text('text,id\n"",1\n')
    with pytest.raises(DataError, match="has no texts"):
        read_texts(str(file), InputColumns("text"), ReadOptions())


def test_long_texts_are_cut_where_the_api_refuses_them(tmp_path: Path) -> None:
    file = tmp_path / "texts.csv"
    file.write_text(f"text,id\n{'a' * (LONGEST_TEXT + 1)},1\nb,2\n")
    texts = read_texts(str(file), InputColumns("text"), ReadOptions())
    assert texts.cut == 1
    assert [len(cut(row.text)) for row in texts.rows] == [LONGEST_TEXT, 1]


def test_rows_to_check_with_have_known_labels_and_are_not_in_the_prompt(tmp_path: Path) -> None:
    # GIVEN labelled rows, of which one has an unknown label and one is an example in the prompt
    file = tmp_path / "check.csv"
    file.write_text("text,label\none, a \ntwo,c\nthree,b\nfour,b\n")
    # WHEN they are read THEN the others are there to check with
    check = read_check_rows(str(file), LABELED, ("a", "b"), frozenset({"three"}))
    assert [(row.text, label) for row, label in zip(check.rows, check.labels, strict=True)] == [
        ("one", "a"),
        ("four", "b"),
    ]
    assert [reject.describe() for reject in check.rejects] == ["line 3: 'c' is none of the labels"]
    assert check.examples == 1


def test_no_row_to_check_with_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "check.csv"
    file.write_text("text,label\ntwo,c\n")
    with pytest.raises(DataError, match=r"no row to check with.*line 2: 'c' is none of the labels"):
        read_check_rows(str(file), LABELED, ("a", "b"), frozenset())
