from pathlib import Path

import pytest

from benchmarks.few_rows import FewRowsError, choose_methods, distinct, draw, read_rows
from textclf.data_options import DataOptions
from training.data.examples import labels_of

COLUMNS = DataOptions(text_column="text", label_column="label")


@pytest.fixture
def reviews(tmp_path: Path) -> str:
    """Twelve texts with a frequent label and four with a rare one."""
    lines = [f"text number {row},{'rare' if row % 4 == 0 else 'frequent'}" for row in range(16)]
    file = tmp_path / "reviews.csv"
    file.write_text("\n".join(["text,label", *lines]))
    return str(file)


def test_each_method_is_tried_once() -> None:
    assert choose_methods("frozen, fine-tune,frozen") == ["frozen", "fine-tune"]


@pytest.mark.parametrize("names", ["", "svm", "frozen,"])
def test_a_method_that_does_not_exist_is_an_error(names: str) -> None:
    with pytest.raises(FewRowsError, match="--methods: give some of fine-tune, contrastive"):
        choose_methods(names)


def test_each_label_is_drawn_as_often_as_asked(reviews: str) -> None:
    # GIVEN a frequent and a rare label
    dataset, numbers = read_rows(reviews, COLUMNS, "", 0.1)
    # WHEN three rows of each are drawn
    split = draw(dataset, numbers, rows=0, each=3, most=100, seed=1)
    # THEN one of each is for validation, two are learnt, and the rest is for testing
    assert sorted(labels_of(split.train)) == [0, 0, 1, 1]
    assert sorted(labels_of(split.validation)) == [0, 1]
    assert len(split.test) == 10


def test_a_label_keeps_rows_to_be_tested_with(reviews: str) -> None:
    # GIVEN four rows of a label WHEN all are to be learnt THEN the error names label and remedy
    dataset, numbers = read_rows(reviews, COLUMNS, "", 0.1)
    with pytest.raises(FewRowsError, match=r"'rare' has 4 rows .* draw fewer than 4 of it"):
        draw(dataset, numbers, rows=0, each=4, most=100, seed=1)


def test_a_rare_label_gets_its_share(reviews: str) -> None:
    # GIVEN a label of a quarter WHEN it is to be a seventh THEN rows of it are left out
    dataset, numbers = read_rows(reviews, COLUMNS, "rare", 1 / 7)
    assert dataset.task.labels == ("other", "rare")
    labels = labels_of([dataset.examples[number] for number in numbers])
    assert sorted(labels) == [0] * 12 + [1] * 2


def test_a_rare_label_that_does_not_exist_is_an_error(reviews: str) -> None:
    with pytest.raises(FewRowsError, match="--rare: give one of the labels, frequent, rare"):
        read_rows(reviews, COLUMNS, "common", 0.1)


def test_texts_of_several_labels_are_not_compared(reviews: str) -> None:
    several = DataOptions(text_column="text", label_column="label", label_separator=";")
    with pytest.raises(FewRowsError, match="give one label for each"):
        read_rows(reviews, several, "", 0.1)


def test_rows_of_equal_texts_are_drawn_once(reviews: str) -> None:
    # GIVEN a text that occurs twice WHEN rows are listed THEN it is among them once
    with Path(reviews).open("a") as file:
        file.write("\ntext number 1,frequent")
    dataset, numbers = read_rows(reviews, COLUMNS, "", 0.1)
    assert len(dataset.examples) == 17
    assert numbers == distinct(dataset) == list(range(16))
