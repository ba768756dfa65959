import numpy as np
import pytest

from training.data.examples import UNLABELLED, Example
from training.evaluate.multi_label import baseline
from training.tasks import custom_task, with_labels

TASK = with_labels(custom_task("t", "text", "labels", None, ";"), ("cat", "dog"))


def row(*labels: int, number: int) -> Example:
    words = " ".join(("a cat purrs", "the dog barks")[label] for label in labels)
    return Example(f"{words} number {number}", UNLABELLED, labels=labels)


ROWS = [row(*labels, number=n) for n in range(15) for labels in ((0,), (1,), (0, 1), ())]


def test_each_label_has_a_linear_model_of_its_own() -> None:
    # GIVEN texts about a cat, a dog, both, or neither
    fitted = baseline.fit(TASK, ROWS[:40], ROWS[40:], 0)
    # WHEN others are labelled THEN each gets all labels that apply
    texts = ["my cat purrs", "a dog barks", "the dog barks and a cat purrs", "nothing at all"]
    assert fitted.predict(texts).tolist() == [
        [True, False],
        [False, True],
        [True, True],
        [False, False],
    ]
    assert "one-vs-rest" in fitted.name


def test_its_scores_rank_the_labels() -> None:
    fitted = baseline.fit(TASK, ROWS[:40], ROWS[40:], 0)
    scores = fitted.score(["my cat purrs"])[0]
    assert scores[0] > scores[1]
    assert ((scores >= 0) & (scores <= 1)).all()


def test_the_same_rows_give_the_same_model() -> None:
    texts = [row.text for row in ROWS]
    first, second = (baseline.fit(TASK, ROWS[:40], ROWS[40:], 0).score(texts) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_texts_without_words_are_learnt_from_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN texts of single letters, one of which is not in the sample
    rows = [
        Example(f"{letter} {n % 10}", UNLABELLED, labels=labels)
        for n in range(20)
        for letter, labels in (("a", (0,)), ("b", (1,)), ("c", ()))
    ]
    more = [Example("z", UNLABELLED, labels=(0, 1))] * 20
    monkeypatch.setattr(baseline, "draw", lambda train, _: train[: len(rows)])
    # WHEN features are chosen on the sample
    fitted = baseline.fit(TASK, rows + more, rows + more, 0)
    # THEN the model was fitted on all rows: it tells the letter of the others from an unknown one
    assert (fitted.score(["z"]) > fitted.score(["y"])).all()
