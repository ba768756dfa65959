import pytest

from benchmarks.bench import Run, choose_parts
from benchmarks.speed.errors import BenchError
from benchmarks.speed.parts import PARTS


def test_all_parts_are_measured_by_default() -> None:
    assert choose_parts("") == tuple(PARTS)


def test_parts_are_measured_in_their_own_order() -> None:
    assert choose_parts("training, bulk") == ("bulk", "training")


def test_a_part_that_does_not_exist_is_named() -> None:
    with pytest.raises(BenchError, match="ONLY=bulks: choose from requests, start, bulk, training"):
        choose_parts("bulks")


@pytest.mark.parametrize(
    ("run", "name"),
    [
        (Run(tuple(PARTS)), "bench"),
        (Run(("bulk", "training")), "bench-bulk-training"),
        (Run(tuple(PARTS), against="HEAD~1"), "bench-against"),
    ],
)
def test_a_part_of_a_run_does_not_replace_the_results_of_all(run: Run, name: str) -> None:
    assert run.name == name
