import pytest

from benchmarks.speed import bulk, starts
from benchmarks.speed.figures import ONE, Comparison, Figures
from benchmarks.speed.journal import Record
from benchmarks.speed.samples import Summary, compare
from benchmarks.speed.tables import (
    format_figure,
    list_comparisons,
    list_ratios,
    list_section,
)


def test_a_table_has_the_median_and_the_extremes_of_each_candidate() -> None:
    # GIVEN three starts of two candidates
    records = [
        Record(starts.SECTION, "one core", name, time, cpu=time / 2)
        for name, times in (("handler", (350.0, 340.0, 360.0)), ("transformers", (3e3, 4e3, 5e3)))
        for time in times
    ]
    # WHEN their table is made
    lines = list(list_section(Figures(records), starts.SECTION))
    # THEN it has a row for each, and a column for what all have
    assert [line.split() for line in lines] == [
        [],
        ["cold", "start,", "one", "core", "ms", "from", "to", "CPU", "ms"],
        ["handler", "350", "340", "360", "175"],
        ["transformers", "4,000", "3,000", "5,000", "2,000"],
    ]


def test_files_are_shown_as_headlines_a_second() -> None:
    # GIVEN a candidate that takes 2 ms, 4 ms and 5 ms for a headline
    records = [Record(bulk.SECTION, "2 cores", "ours", time) for time in (2.0, 4.0, 5.0)]
    # WHEN the table is made
    lines = list(list_section(Figures(records), bulk.SECTION))
    # THEN the rate is of the median time, and the extremes are in rising order
    assert lines[1].endswith("headlines/s        from          to")
    assert lines[2].split() == ["ours", "250", "200", "500"]


def test_ratios_are_shown_with_their_targets() -> None:
    ratios = {"bulk_over_openvino": Summary(0.97, 0.9, 1.1, 3)}
    line = list(list_ratios(ratios, {}))[-1]
    assert line.split() == [
        "bulk_over_openvino",
        "0.97",
        "0.90",
        "1.10",
        *["at", "least", "1:", "MISSED"],
    ]


def test_a_change_is_shown_with_its_noise() -> None:
    # GIVEN a handler that got 2 % slower in every round
    change = compare([102.0] * 7, [100.0] * 7)
    # WHEN the comparison is listed
    lines = list(
        list_comparisons([Comparison(ONE, "one core", "handler", change, None, None)], "1a2b")
    )
    # THEN the line says by how much, within what bounds, and the verdict
    assert lines[-2] == "handler, headline of 16 tokens, one core"
    assert lines[-1].split() == ["+2.0%", "+2.0%", "to", "+2.0%", "SLOWER"]


@pytest.mark.parametrize(
    ("value", "text"), [(2.625, "2.62"), (26.25, "26.2"), (262.5, "262"), (2625.0, "2,625")]
)
def test_figures_have_three_digits(value: float, text: str) -> None:
    assert format_figure(value) == text
