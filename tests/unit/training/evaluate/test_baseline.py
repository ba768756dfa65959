import pytest

from training.data.examples import Example
from training.evaluate import baseline
from training.tasks import NEWS, SENTIMENT, Task

GOOD, BAD = Example("a good film", 1), Example("a bad film", 0)


@pytest.mark.parametrize("task", [NEWS, SENTIMENT])
def test_the_baseline_of_each_task_learns_from_words(task: Task) -> None:
    predicted = baseline.predict(task, [GOOD, BAD] * 5, ["bad, bad, bad", "how good"], seed=1)
    assert predicted.tolist() == [0, 1]


def test_the_baseline_reads_markup_as_a_space_like_the_model() -> None:
    # GIVEN rows that differ in nothing but markup
    rows = [Example("fine<br /><br />film", 1), Example("fine film", 0)] * 5
    # WHEN texts with and without markup are labelled
    predicted = baseline.predict(SENTIMENT, rows, ["fine<br />film", "fine film"], seed=1)
    # THEN it makes no difference
    assert predicted[0] == predicted[1]
