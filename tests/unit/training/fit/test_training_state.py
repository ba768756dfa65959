from training.fit.training_state import Progress


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
