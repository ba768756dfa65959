import csv
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import HEADLINES, MESSAGES, REVIEWS
from tests.headlines import news_row
from training.data.examples import DataError
from training.fit.rows import (
    load_rows,
    load_unlabelled,
    read_row_numbers,
    save_bad_rows,
    save_row_numbers,
)
from training.fit.settings import Settings


def make_settings(**changes: object) -> Settings:
    return Settings.model_validate({"data": str(HEADLINES), "output": "o", **changes})


def test_the_same_settings_give_the_same_rows() -> None:
    assert load_rows(make_settings()) == load_rows(make_settings(output="elsewhere"))


def test_rows_can_be_sampled_and_split_in_another_way() -> None:
    dataset, rows = load_rows(make_settings(max_rows=300, split="time"))
    assert len(dataset.examples) == 300
    assert max(e.time for e in rows.train) <= min(e.time for e in rows.test)


def test_new_rows_are_joined(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(news_row("A new one", story="new"))
    dataset, _ = load_rows(make_settings(new_rows=str(tmp_path)))
    assert dataset.examples[-1].text == "A new one"
    assert dataset.examples[-1].new


def test_new_rows_of_a_task_with_an_official_split_need_another_split(tmp_path: Path) -> None:
    # GIVEN reviews that their authors have split
    rows = REVIEWS.read_text().splitlines()
    header, *reviews = rows
    (tmp_path / "reviews.csv").write_text(
        "\n".join([f"{header},split", *(f"{review},train" for review in reviews)])
    )
    (tmp_path / "new").mkdir()
    settings = make_settings(
        task="sentiment", data=str(tmp_path / "reviews.csv"), new_rows=str(tmp_path / "new")
    )
    # WHEN new rows are to be joined THEN the error says how they can be
    with pytest.raises(DataError, match="give --split story"):
        load_rows(settings)


def test_new_rows_of_texts_with_several_labels_are_split_by_story(tmp_path: Path) -> None:
    # GIVEN texts that may have several labels, which are stratified by default, and a new row
    (tmp_path / "a.csv").write_text("text,topics\nA new one,Billing\n")
    several = {
        **{"task": "messages", "data": str(MESSAGES), "text_column": "text"},
        **{"label_column": "topics", "label_separator": ";", "new_rows": str(tmp_path)},
    }
    # WHEN it is joined THEN the others are where a split by story has them
    by_default = load_rows(make_settings(**several))
    assert by_default == load_rows(make_settings(**several, split="story"))


def test_row_numbers_are_read_as_they_were_saved(tmp_path: Path) -> None:
    _, rows = load_rows(make_settings())
    save_row_numbers(rows, tmp_path)
    assert read_row_numbers(tmp_path) == rows.numbers


def test_a_model_of_an_older_version_has_no_row_numbers(tmp_path: Path) -> None:
    assert read_row_numbers(tmp_path) is None


def test_rows_that_cannot_be_used_are_listed_with_their_files(tmp_path: Path) -> None:
    # GIVEN a data set, new rows and texts without labels, each with a row that cannot be used
    (tmp_path / "new").mkdir()
    data, texts = tmp_path / "news.csv", tmp_path / "texts.csv"
    data.write_text(HEADLINES.read_text() + "509\tno category\n")
    (tmp_path / "new" / "a.csv").write_text(f"{news_row('good')}{news_row('y', 'z')}")
    texts.write_text("title,id\nA text without a label,1\nAnother\n")
    settings = make_settings(
        data=str(data), new_rows=str(tmp_path / "new"), unlabelled=str(texts), teachers="t",
        skip_bad_rows=True, output=str(tmp_path),
    )  # fmt: skip
    dataset, rows = load_rows(settings)
    # WHEN they are saved
    path = save_bad_rows(settings, dataset, load_unlabelled(settings, dataset, rows))
    # THEN the table names file and line of each
    with path.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["file"], row["line"]) for row in table] == [
        (str(data), "509"), ("a.csv", "2"), (str(texts), "3"),
    ]  # fmt: skip
    assert table[1]["reason"].startswith("unknown label 'z'")
    # AND a run without such rows takes it away
    assert save_bad_rows(settings, replace(dataset, rejects=(), new_files=()), None) == path
    assert not path.exists()
