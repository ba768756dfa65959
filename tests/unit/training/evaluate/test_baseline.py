import pytest

from training.data.examples import Example
from training.evaluate import baseline
from training.tasks import NEWS, SENTIMENT, Task

GOOD, BAD = Example("a good film", 1), Example("a bad film", 0)


@pytest.mark.parametrize("task", [NEWS, SENTIMENT])
def test_the_baseline_of_each_task_learns_what_a_word_tells(task: Task) -> None:
    found = baseline.predict(task, [GOOD, BAD] * 5, ["bad, bad, bad", "how good"], seed=1)
    assert found.tolist() == [0, 1]


def test_the_baseline_reads_markup_as_the_model_does() -> None:
    # GIVEN rows whose label is told by markup alone
    rows = [Example("fine<br /><br />film", 1), Example("fine film", 0)] * 5
    # WHEN texts with and without it are labelled
    found = baseline.predict(SENTIMENT, rows, ["fine<br />film", "fine film"], seed=1)
    # THEN it makes no difference
    assert found[0] == found[1]
