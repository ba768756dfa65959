from pathlib import Path

import numpy as np

from training.data.examples import Dataset, Example
from training.data.split import RowNumbers, Split
from training.evaluate.results import Usefulness
from training.evaluate.usefulness import measure_usefulness
from training.fit.record import RowCounts, TrainingRecord
from training.fit.settings import Settings
from training.fit.trained_model import TrainedModel
from training.tasks import NEWS, with_labels

FRAUD = with_labels(NEWS, ("fraud", "legit"))


def make_model(labels: list[int]) -> TrainedModel:
    """Return a model whose test rows have these labels; nine training rows in ten are legit."""
    train = [Example(f"train {number}", int(number > 0)) for number in range(10)]
    test = [Example(f"test {number}", label) for number, label in enumerate(labels)]
    rows = Split(train, test[:1], test, RowNumbers([], [], []))
    record = TrainingRecord(
        settings=Settings(data="d", output="o"),
        labels=FRAUD.labels,
        dataset_sha256="0",
        split="story",
        rows=RowCounts(train=10, validation=1, test=len(test)),
    )
    return TrainedModel(Path("o"), record, Dataset(FRAUD, train + test, "0"), rows)


def measure(labels: list[int], predicted: list[int], baseline: list[int]) -> Usefulness:
    return measure_usefulness(
        make_model(labels), np.array(predicted), np.array(baseline), "a linear model"
    )


def test_a_model_like_the_baseline_has_no_faults() -> None:
    labels = [0, 1] * 50
    assert measure(labels, labels, labels).faults == []


def test_a_model_that_always_says_legit_is_no_good_however_accurate_it_is() -> None:
    # GIVEN 1,000 payments, 20 of them fraud, and a baseline that finds half of these
    labels = [0] * 20 + [1] * 980
    # WHEN a model never finds any
    useful = measure(labels, [1] * 1000, [0] * 10 + [1] * 990)
    # THEN its accuracy of 98 % does not save it, and the label is named
    assert useful.always_predicts == "legit"
    assert useful.never_predicts == ("fraud",)
    assert "it gives every test row the label 'legit'" in useful.faults
    assert any("macro-F1" in fault for fault in useful.faults)


def test_a_model_that_is_worse_than_the_baseline_is_no_good() -> None:
    labels = [0, 1] * 100
    useful = measure(labels, [0, 1] * 60 + [1, 0] * 40, labels)
    assert useful.faults[0] == "the linear baseline is 40.00 points more accurate"


def test_a_model_that_is_worse_than_one_answer_is_no_good() -> None:
    labels = [0] * 20 + [1] * 180
    useful = measure(labels, [0] * 110 + [1] * 90, [0] * 110 + [1] * 90)
    assert useful.faults == ["always answering 'legit' is 35.00 points more accurate"]


def test_one_answer_to_all_is_a_fault_if_there_are_rows_enough_to_show_it() -> None:
    few, many = (measure([0, 1] * n, [1] * 2 * n, [1] * 2 * n) for n in (6, 15))
    assert few.constancy == many.constancy == "it gives every test row the label 'legit'"
    assert (few.faults, many.faults) == ([], [many.constancy])


def test_a_few_rows_prove_nothing() -> None:
    # GIVEN nine test rows, of which the model gets half as many right as the baseline
    labels = [0, 1] * 4 + [1]
    useful = measure(labels, [0, 1] * 2 + [1, 0] * 2 + [0], labels)
    assert useful.faults == []


def test_a_label_without_test_rows_is_not_missed() -> None:
    useful = measure([1] * 30, [1] * 30, [1] * 30)
    assert useful.never_predicts == ()
    assert useful.always_predicts is None
