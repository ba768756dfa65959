import pytest

from training.fit.training_state import Progress, counts_for_stopping


def test_weights_are_kept_even_if_nothing_is_right_yet() -> None:
    progress = Progress()
    assert [progress.add_validation(f1) for f1 in (0.0, 0.0, 0.1, 0.0)] == [True, True, True, False]


def test_of_equal_validations_on_few_rows_the_last_is_kept() -> None:
    progress = Progress()
    validations = [progress.add_validation(f1, few_rows=True) for f1 in (0.5, 0.5, 0.4, 0.5)]
    assert validations == [True, True, False, True]
    assert progress.stale == 3


def test_validations_during_the_warm_up_do_not_count_for_early_stopping() -> None:
    progress = Progress()
    for _ in range(5):
        progress.add_validation(0.0, counts=False)
    assert progress.stale == 0


@pytest.mark.parametrize(
    ("step", "warm", "rows", "counts"),
    [(101, 50, 100, True), (100, 50, 100, False), (150, 150, 999, False), (999, 9, 99, False)],
)
def test_a_validation_counts_after_the_warm_up_on_enough_rows(
    step: int, warm: int, rows: int, *, counts: bool
) -> None:
    assert counts_for_stopping(step, warm, rows) is counts


def test_the_best_validation_is_remembered() -> None:
    # GIVEN a run
    progress = Progress()
    # WHEN it is validated four times
    best = []
    for step, f1 in [(3, 0.5), (6, 0.5), (9, 0.4), (12, 0.6)]:
        progress.step = step
        best.append(progress.add_validation(f1))
        if step == 9:
            assert progress.stale == 2
    # THEN only a better one counts as the best
    assert best == [True, False, False, True]
    assert (progress.best, progress.stale) == (0.6, 0)
    assert progress.history == [(3, 0.5), (6, 0.5), (9, 0.4), (12, 0.6)]
