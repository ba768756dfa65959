import pytest

from training.data.split import SPLITS
from training.evaluate.baseline import CLASSIFIERS
from training.tasks import NEWS, TASKS, custom_task, with_labels


def test_labels_are_in_the_order_of_their_codes() -> None:
    assert NEWS.labels == ("Business", "Science", "Entertainment", "Health")


@pytest.mark.parametrize("name", TASKS)
def test_every_task_names_a_split_and_a_baseline_that_exist(name: str) -> None:
    assert TASKS[name].default_split in SPLITS
    assert TASKS[name].baseline in CLASSIFIERS


def test_labels_that_are_found_in_the_data_are_those_of_the_task() -> None:
    task = custom_task("tickets", "body", "team", group=None)
    assert task.labels == ()
    assert with_labels(task, ("billing", "delivery")).labels == ("billing", "delivery")
