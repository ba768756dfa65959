import pytest
import torch

from training.data.examples import UNLABELLED, Example
from training.fit.class_weights import weigh_outcomes
from training.fit.settings import Settings

BALANCED = Settings(data="d", output="o", class_weights="balanced")
SEVERAL = BALANCED.model_copy(update={"label_separator": ";"})


def weigh(settings: Settings, rows: list[Example], labels: int) -> list[float]:
    weights = weigh_outcomes(settings, rows, labels)
    assert weights is not None
    return weights.tolist()


def test_without_the_option_nothing_is_weighted() -> None:
    assert weigh_outcomes(Settings(data="d", output="o"), [Example("a", 0)], 1) is None


def test_the_rows_of_every_label_weigh_the_same_in_total() -> None:
    # GIVEN 8 rows of one label, 2 of another, and none of a third
    rows = [Example(str(number), int(number >= 8)) for number in range(10)]
    # WHEN they are weighed
    first, second, third = weigh(BALANCED, rows, 3)
    # THEN both weigh 5, and a label that is never seen keeps its weight
    assert [8 * first, 2 * second, third] == pytest.approx([5, 5, 1])


def test_a_label_of_several_weighs_as_much_where_it_applies_as_where_it_does_not() -> None:
    # GIVEN texts of which 1 in 4 has the first label, all have the second, and none the third
    rows = [
        Example(str(number), UNLABELLED, labels=(0, 1) if number == 0 else (1,))
        for number in range(4)
    ]
    # WHEN they are weighed
    applies, does_not = torch.tensor(weigh(SEVERAL, rows, 3)).chunk(2)
    # THEN 1 text weighs as much as 3, and labels without two answers keep their weight
    assert applies.tolist() == pytest.approx([2, 1, 1])
    assert does_not.tolist() == pytest.approx([2 / 3, 1, 1])
