import csv
from pathlib import Path

import pytest

from training.labels.llm.agreement import NO_LABEL, measure_agreement, write_disagreements

ROWS = [(line, f"text {line}") for line in range(2, 12)]


def test_agreement_has_an_interval_and_is_corrected_for_chance() -> None:
    # GIVEN ten rows, of which a model has two wrong and gives one no label
    people = ["a"] * 5 + ["b"] * 5
    model = ["a"] * 4 + ["b"] * 5 + [NO_LABEL]
    # WHEN they are compared
    agreement = measure_agreement(ROWS, people, model)
    # THEN the figures are those of Wilson's and Cohen's formulas
    assert (agreement.agreed, agreement.without_label) == (8, 1)
    assert agreement.accuracy == 0.8
    assert agreement.interval == pytest.approx((0.4902, 0.9433), abs=1e-4)
    by_chance = 0.5 * 0.4 + 0.5 * 0.5
    assert agreement.kappa == pytest.approx((0.8 - by_chance) / (1 - by_chance))
    assert [row.line for row in agreement.disagreements] == [6, 11]
    assert agreement.describe() == (
        "8 of 10 rows have the label that people gave them: 80.0% (95 % interval 49.0% to 94.3%), "
        "Cohen's kappa 0.64; 1 without a label"
    )


def test_agreement_on_a_single_label_is_complete() -> None:
    assert measure_agreement(ROWS[:2], ["a", "a"], ["a", "a"]).kappa == 1


def test_answers_by_chance_have_no_kappa() -> None:
    assert measure_agreement(ROWS[:4], ["a", "a", "b", "b"], ["a", "b", "a", "b"]).kappa == 0


def test_the_rows_that_differ_are_listed(tmp_path: Path) -> None:
    agreement = measure_agreement([(2, "one, two"), (3, "x")], ["a", "b"], ["b", "b"])
    write_disagreements(tmp_path / "rows.csv", agreement)
    with (tmp_path / "rows.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["line", "label", "model_label", "text"],
            ["2", "a", "b", "one, two"],
        ]
