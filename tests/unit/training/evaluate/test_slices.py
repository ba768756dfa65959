import numpy as np
import pytest

from tests.conftest import HEADLINES
from training import tasks
from training.data.examples import Example
from training.data.read import read
from training.evaluate import slices

DAY = 24 * 60 * 60 * 1000


def masks(rows: list[Example], train: list[Example]) -> dict[str, list[bool]]:
    return {name: mask.tolist() for name, mask in slices.find_slices(rows, train)}


def test_rows_are_sliced_by_origin_length_ending_publisher_and_time() -> None:
    # GIVEN rows that differ in everything that slices go by
    rows = [
        Example("one", 0, source="Wire", time=0, new=True),
        Example("one two ...", 0, source="New", time=DAY),
        Example("one two three four", 0, source="Wire", time=2 * DAY),
        Example("one two three four five\u2026", 0, source="New", time=3 * DAY),
    ]
    # WHEN they are sliced
    found = masks(rows, [Example("known", 0, source="Wire")])
    # THEN each slice has its rows
    assert found["of the new rows joined to it"] == [True, False, False, False]
    assert found["of the data set itself"] == [False, True, True, True]
    assert found["1 to 3 words"] == [True, True, False, False]
    assert found["cut short, ending in ..."] == [False, True, False, True]
    assert found["whole"] == [True, False, True, False]
    assert found["publisher seen in training"] == [True, False, True, False]
    assert found["publisher not seen"] == [False, True, False, True]
    assert found["1970-01-04 to 1970-01-04"] == [False, False, False, True]


def test_rows_without_publisher_and_time_are_sliced_by_length_alone() -> None:
    rows = [Example("word " * count, 0) for count in range(1, 10)]
    assert list(masks(rows, rows)) == ["1 to 3 words", "4 to 6 words", "7 to 9 words"]


def test_slices_of_one_kind_hold_each_row_once() -> None:
    rows = read(str(HEADLINES), tasks.NEWS).examples
    found = masks(rows, rows)
    for kind in ("words", "to 2025"):
        parts = np.array([mask for name, mask in found.items() if kind in name])
        assert len(parts) > 1
        assert (parts.sum(axis=0) == 1).all()


def test_each_slice_compares_both_models() -> None:
    # GIVEN a model that is right about short texts only, and one that is always right
    rows = [Example("word " * count, 0, group=str(count)) for count in range(1, 10)]
    right = np.arange(9) < 3
    # WHEN they are measured by slice
    found = slices.measure_slices(rows, rows, right, np.ones(9, bool))
    # THEN they are equally good on short texts, and the first is worse on the others
    assert [part.accuracy for part in found] == [1, 0, 0]
    assert [part.difference for part in found] == pytest.approx([0, -1, -1])
