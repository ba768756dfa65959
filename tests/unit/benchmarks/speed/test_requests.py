from benchmarks.speed.modes import Mode
from benchmarks.speed.process import Calls
from benchmarks.speed.requests import to_records


def test_a_round_is_the_median_of_its_calls_and_of_its_first_calls() -> None:
    # GIVEN two turns of three calls, of which the first found cold caches
    turns = [Calls([9.0, 2.0, 3.0], [1.0, 1.0, 1.0]), Calls([7.0, 2.0, 4.0], [1.0, 1.0, 4.0])]
    # WHEN they become a record
    (record,) = to_records("section", Mode((0,)), {"handler": turns}, times=3)
    # THEN it has both medians
    assert (record.wall, record.cpu, record.first) == (3.5, 1.0, 8.0)


def test_single_calls_have_no_first() -> None:
    (record,) = to_records("s", Mode((0,)), {"a": [Calls([2.0], [1.0])]}, times=1)
    assert record.first is None
