from collections import Counter

import numpy as np
import pytest

from training.data.examples import UNLABELLED, Example
from training.fit.epoch_rows import EpochRows, choose_validation_rows
from training.fit.settings import Settings

GROUPS = ["a"] * 50 + ["b"] * 3 + ["c"] + ["a"] * 6
ROWS = [Example(f"text {number}", 0, group) for number, group in enumerate(GROUPS)]


def make_epochs(examples: list[Example], **changes: object) -> EpochRows:
    values = {"data": "d", "output": "o", **changes}
    return EpochRows.of(examples, Settings.model_validate(values))


def test_an_epoch_has_all_rows_unless_groups_are_balanced() -> None:
    # GIVEN rows of three groups WHEN an epoch is drawn THEN it has each once, in their order
    assert make_epochs(ROWS).draw(3).tolist() == list(range(60))


def test_an_epoch_has_at_most_some_rows_of_each_group() -> None:
    # GIVEN groups of 56, 3 and 1 rows
    epochs = make_epochs(ROWS, balance_groups=2)
    # WHEN an epoch is drawn with at most two of each THEN it has as many, no row twice
    rows = epochs.draw(0)
    assert Counter(GROUPS[row] for row in rows) == {"a": 2, "b": 2, "c": 1}
    assert len(set(rows)) == len(rows) == epochs.count == 5


def test_rows_are_drawn_anew_for_each_epoch_and_every_row_gets_its_turn() -> None:
    epochs = make_epochs(ROWS, balance_groups=2)
    # GIVEN 500 epochs WHEN they are drawn
    drawn = [tuple(epochs.draw(epoch)) for epoch in range(500)]
    # THEN they differ, and no row is left out for ever
    assert len(set(drawn)) > 250
    assert {row for rows in drawn for row in rows} == set(range(60))


def test_the_draw_depends_on_the_seed_and_the_epoch_alone() -> None:
    # GIVEN the same settings twice
    one, again = (make_epochs(ROWS, balance_groups=2) for _ in range(2))
    # WHEN an epoch in the middle of a run is drawn, after others or not
    one.draw(0)
    # THEN its rows are the same, and those of another seed are not
    assert one.draw(7).tolist() == again.draw(7).tolist()
    other = make_epochs(ROWS, balance_groups=2, seed=1)
    assert any(other.draw(n).tolist() != one.draw(n).tolist() for n in range(5))


def test_rows_without_a_group_are_groups_of_their_own() -> None:
    # GIVEN rows without a group, two of equal text, and a text without a label
    rows = [*ROWS, Example("x", 0), Example("X!", 1), Example("y", 0), Example("z", UNLABELLED)]
    # WHEN one row of each group is drawn
    drawn = make_epochs(rows, balance_groups=1).draw(0)
    # THEN all of them are, but only one of the equal texts
    assert Counter(rows[row].text for row in drawn if row >= 60) in (
        {"x": 1, "y": 1, "z": 1},
        {"X!": 1, "y": 1, "z": 1},
    )


def test_new_rows_are_repeated_and_do_not_displace_others_of_their_group() -> None:
    # GIVEN five new rows in a group of 56
    new = [Example(f"new {number}", 0, "a", new=True) for number in range(5)]
    changes = {"new_rows": "folder", "new_rows_times": 3}
    epochs = make_epochs([*ROWS, *new], balance_groups=2, **changes)
    # WHEN epochs are drawn THEN each has two old ones of it, and two new ones three times
    for epoch in range(20):
        counts = Counter(epochs.draw(epoch).tolist())
        assert sum(row < 60 for row in counts) == 5
        assert [times for row, times in counts.items() if row >= 60] == [3, 3]
        assert counts.total() == epochs.count == 11


def test_without_balancing_each_new_row_is_repeated() -> None:
    new = Example("x", 0, new=True)
    epochs = make_epochs([*ROWS, new], new_rows="folder", new_rows_times=3)
    assert np.bincount(epochs.draw(0)).tolist() == [1] * 60 + [3]


@pytest.mark.parametrize(("epochs", "steps"), [(1.0, 3), (2.5, 8), (0.1, 1)])
def test_steps_are_counted_by_the_rows_that_are_drawn(epochs: float, steps: int) -> None:
    # GIVEN epochs of five rows WHEN their batches of two are counted
    settings = {"balance_groups": 2, "batch_size": 2, "epochs": epochs}
    found = make_epochs(ROWS, **settings)
    # THEN there are three an epoch
    assert found.count_steps(2) == 3
    values = Settings.model_validate({"data": "d", "output": "o", **settings})
    assert found.count_run_steps(values) == steps
    # ... and teachers answer the rows of the epochs that it begins
    begun = -(-steps // 3)
    expected = {int(row) for epoch in range(begun) for row in found.draw(epoch)}
    assert found.draw_for_teachers(values).tolist() == sorted(expected)


def test_teachers_answer_the_first_rows_that_are_drawn_of_a_group() -> None:
    # GIVEN epochs with at most 9 rows of a group, of which teachers answer 2
    settings = {"balance_groups": 9, "teachers": "teacher", "teacher_rows": 2, "epochs": 2}
    epochs = make_epochs(ROWS, **settings)
    values = Settings.model_validate({"data": "d", "output": "o", **settings})
    # WHEN the rows for the teachers are drawn
    answered = epochs.draw_for_teachers(values).tolist()
    # THEN they are those of epochs with at most 2 rows, whose answers can be used again
    fewer = make_epochs(ROWS, balance_groups=2)
    assert answered == sorted({int(row) for epoch in range(2) for row in fewer.draw(epoch)})
    assert set(answered) < set(epochs.draw(0).tolist()) | set(epochs.draw(1).tolist())


def choose(examples: list[Example], **changes: object) -> list[Example]:
    values = {"data": "d", "output": "o", **changes}
    return choose_validation_rows(examples, Settings.model_validate(values))


def test_all_rows_are_validated_on_unless_groups_are_balanced() -> None:
    assert choose(ROWS) == ROWS


def test_balanced_groups_are_validated_on_the_same_few_rows_every_time() -> None:
    # GIVEN groups of 56, 3 and 1 rows, and new rows that an epoch repeats
    rows = [*ROWS, *(Example(f"new {number}", 0, "d", new=True) for number in range(4))]
    options = {"balance_groups": 2, "new_rows": "folder", "new_rows_times": 5}
    # WHEN rows to validate on are chosen
    chosen = choose(rows, **options)
    # THEN there are at most two of each group, none twice, in the order of the rows
    assert Counter(row.group for row in chosen) == {"a": 2, "b": 2, "c": 1, "d": 2}
    assert chosen == [row for row in rows if row in chosen]
    # ... and they are the same in the next run of this seed
    assert choose(rows, **options) == chosen != choose(rows, **options, seed=1)
