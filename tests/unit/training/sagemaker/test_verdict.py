"""When a retrained model takes the place of the one that serves."""

import numpy as np
import pytest

from training.data.examples import NewFile
from training.evaluate import metrics
from training.sagemaker.verdict import is_no_worse, told

ROWS = 1000


def paired(new: int, old: int) -> dict[str, object]:
    """A new model that alone is right about so many rows, and an old one that is about others."""
    right, other = np.ones(ROWS, bool), np.ones(ROWS, bool)
    other[:new] = False
    right[new : new + old] = False
    return metrics.paired(right, other, np.arange(ROWS))


@pytest.mark.parametrize(
    ("new", "old", "deployed"),
    [
        (0, 0, True),  # the same
        (40, 10, True),
        (3, 3, True),  # as good, and surely not half a point worse
        (60, 60, False),  # as good, but it may be luck
        (0, 1, False),  # hardly worse, but worse
        (10, 40, False),
    ],
)
def test_a_model_is_deployed_if_it_is_surely_no_worse(
    new: int, old: int, *, deployed: bool
) -> None:
    assert is_no_worse(paired(new, old)) is deployed


def test_the_summary_has_the_figures_and_the_files_set_aside() -> None:
    files = (NewFile("a.csv", 7), NewFile("b.csv", problem="b.csv is empty"), NewFile("c.csv", 2))
    assert told(paired(40, 10), files).startswith("accuracy 99.00% against 96.00% on 1,000 ")
    text = told(paired(40, 10), files)
    assert "difference +3.00 points" in text
    assert text.endswith("9 new rows in 2 files joined; set aside: b.csv is empty")
