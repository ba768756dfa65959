import csv
from pathlib import Path

from training.evaluate.confusion import (
    Confusion,
    choose_labels,
    list_confusions,
    write_confusions,
    write_labels,
)
from training.evaluate.results import Evaluation

MATRIX = [[8, 0, 2], [1, 9, 0], [5, 0, 0]]


def test_the_most_frequent_confusions_come_first() -> None:
    assert list_confusions(MATRIX) == [
        Confusion(2, 0, 5, 1.0),
        Confusion(0, 2, 2, 0.2),
        Confusion(1, 0, 1, 0.1),
    ]


def test_labels_that_are_confused_are_next_to_each_other() -> None:
    order = choose_labels(MATRIX, 10)
    assert sorted(order) == [0, 1, 2]
    assert abs(order.index(0) - order.index(2)) == 1


def test_of_many_labels_the_most_confused_are_chosen() -> None:
    # GIVEN 151 labels, two of which are confused
    matrix = [[10 * (row == column) for column in range(151)] for row in range(151)]
    matrix[7][150] = 5
    # WHEN twenty are chosen THEN those two are among them, next to each other
    order = choose_labels(matrix, 20)
    assert len(order) == 20
    assert abs(order.index(7) - order.index(150)) == 1


def test_the_whole_matrix_is_in_a_file(evaluation: Evaluation, tmp_path: Path) -> None:
    write_confusions(tmp_path / "confusion.csv", evaluation.fp32)
    with (tmp_path / "confusion.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["true label", "Business", "Science", "Entertainment", "Health"]
    assert rows[1] == ["Business", *map(str, evaluation.fp32.confusion[0])]


def test_all_labels_are_in_a_file_with_the_worst_first(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    write_labels(tmp_path / "labels.csv", evaluation.fp32)
    with (tmp_path / "labels.csv").open(newline="") as file:
        f1 = [float(row["F1"]) for row in csv.DictReader(file)]
    assert f1 == sorted(f1)
