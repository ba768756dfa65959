"""When a retrained model replaces the one that serves."""

import numpy as np
import pytest

from training.data.examples import NewFile
from training.evaluate.intervals import measure_difference
from training.evaluate.multi_label import summary as multi_label
from training.evaluate.results import PairedComparison
from training.sagemaker.verdict import is_no_worse, summarise

ROWS = 1000


def compare(new: int, old: int) -> PairedComparison:
    """Compare two models, given the numbers of rows that only the new or the old one gets right."""
    right, other_right = np.ones(ROWS, bool), np.ones(ROWS, bool)
    other_right[:new] = False
    right[new : new + old] = False
    return measure_difference(right, other_right, np.arange(ROWS))


@pytest.mark.parametrize(
    ("new", "old", "deployed"),
    [
        (0, 0, True),  # the same
        (40, 10, True),
        (3, 3, True),  # as good, and certainly not half a point worse
        (60, 60, False),  # as good, but perhaps by chance
        (0, 1, False),  # hardly worse, but worse
        (10, 40, False),
    ],
)
def test_a_model_is_deployed_if_it_is_certainly_no_worse(
    new: int, old: int, *, deployed: bool
) -> None:
    assert is_no_worse(compare(new, old)) is deployed


def test_the_summary_gives_the_figures_and_the_files_that_were_set_aside() -> None:
    files = (NewFile("a.csv", 7), NewFile("b.csv", problem="b.csv is empty"), NewFile("c.csv", 2))
    summary = summarise(compare(40, 10), files)
    assert summary.startswith("accuracy 99.00% against 96.00% on 1,000 held-out rows")
    assert "difference +3.00 points" in summary
    assert summary.endswith("9 new rows in 2 files joined; set aside: b.csv is empty")


def test_several_labels_are_compared_by_micro_f1() -> None:
    # GIVEN a model that is right about two labels, and one that misses many of them
    labels = np.random.default_rng(0).random((ROWS, 2)) < 0.5
    worse = labels & (np.arange(ROWS) % 3 > 0)[:, np.newaxis]
    clusters = np.arange(ROWS)
    # WHEN they are compared THEN the first may replace the second, and not the other way round
    better = multi_label.compare(labels, worse, labels, clusters)
    assert is_no_worse(better)
    assert not is_no_worse(multi_label.compare(worse, labels, labels, clusters))
    # AND the summary says by what
    assert summarise(better, ()).startswith("micro-F1 100.00% against ")
