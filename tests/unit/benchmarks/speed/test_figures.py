import pytest

from benchmarks.speed.figures import (
    LIST,
    ONE,
    RATIOS,
    Figures,
    Ratio,
    RatioModes,
    compare_trees,
    summarize_ratios,
)
from benchmarks.speed.journal import Record
from benchmarks.speed.modes import Mode

MODES = RatioModes("one core", "2 cores")


def make_records(name: str, values: list[float], mode: str = "one core") -> list[Record]:
    return [Record(ONE, mode, name, value, cpu=value / 2) for value in values]


def test_a_ratio_compares_two_candidates_round_by_round() -> None:
    # GIVEN two candidates in three rounds, the second of them slow
    figures = Figures([*make_records("a", [6, 60, 9]), *make_records("b", [2, 20, 3])])
    # WHEN their ratio is made
    ratio = Ratio("a_over_b", ONE, "a", "b", one_core=True)
    # THEN it is the same in each round, by the clock and of the CPU time
    assert ratio.of(figures, MODES) == [3, 3, 3]
    assert ratio.of(figures, MODES, "cpu") == [3, 3, 3]


def test_a_ratio_of_all_cores_leaves_those_of_one_core_alone() -> None:
    records = [*make_records("a", [8], "2 cores"), *make_records("b", [2], "2 cores")]
    records += [*make_records("a", [5]), *make_records("b", [5])]
    assert Ratio("a_over_b", ONE, "a", "b").of(Figures(records), MODES) == [4]


def test_what_was_not_measured_has_no_ratio() -> None:
    # GIVEN records of one part of a run
    figures = Figures(
        [*make_records("transformers", [30.0, 33.0]), *make_records("full_int8", [3.0, 3.0])]
    )
    # WHEN all ratios are summarized
    ratios = summarize_ratios(figures, MODES)
    # THEN only that of the two is there
    assert list(ratios) == ["full_int8_over_transformers"]
    assert ratios["full_int8_over_transformers"].median == 10.5


@pytest.mark.parametrize(
    ("at_most", "value", "verdict"),
    [
        (False, 7.1, "at least 7: met"),
        (False, 6.9, "at least 7: MISSED"),
        (True, 6.9, "at most 7: met"),
        (True, 7.1, "at most 7: MISSED"),
    ],
)
def test_a_ratio_is_judged_by_its_target(at_most: bool, value: float, verdict: str) -> None:
    assert Ratio("name", ONE, "a", "b", 7, at_most=at_most).judge(value) == verdict


def test_the_ratios_keep_the_names_that_others_read() -> None:
    assert {ratio.name for ratio in RATIOS} >= {
        *("handler_over_bare", "full_int8_over_transformers", "shipped_over_transformers"),
        *("cold_start_over_transformers", "list_over_singles", "list_over_transformers"),
        *("cold_start_one_core_over_transformers", "bulk_over_openvino"),
        *("bulk_over_transformers", "training_over_trainer"),
    }


def test_ratios_are_made_with_amx() -> None:
    # GIVEN the modes of a CPU with AMX and two cores
    modes = [Mode((0,)), Mode((0, 1)), Mode((0,), True), Mode((0, 1), True)]
    # WHEN those of the ratios are chosen
    # THEN none is denied anything
    assert RatioModes.of(modes) == MODES


def test_trees_are_compared_by_their_candidates_names() -> None:
    # GIVEN a candidate of this tree and of a commit, and one that the commit lacks
    now = make_records("handler", [11.0] * 7)
    before = make_records("handler@abc1234", [10.0] * 7)
    figures = Figures([*now, *before, *make_records("new", [1.0] * 7)])
    # WHEN the trees are compared
    (comparison,) = compare_trees(figures, "@abc1234")
    # THEN the candidate that both have is, by the clock and by CPU time
    assert comparison.name == "handler"
    assert comparison.change.median == pytest.approx(0.1)
    assert comparison.cpu
    assert comparison.cpu.median == pytest.approx(0.1)
    assert comparison.peak is None


def test_sections_have_the_names_that_the_ratios_use() -> None:
    assert (ONE, LIST) == ("headline of 16 tokens", "list of 128 headlines")
