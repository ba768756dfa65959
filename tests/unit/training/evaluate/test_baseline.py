import pytest

from training.data.examples import Example
from training.evaluate import baseline
from training.tasks import NEWS, SENTIMENT, Task

GOOD, BAD = Example("a good film", 1), Example("a bad film", 0)


@pytest.mark.parametrize("task", [NEWS, SENTIMENT])
def test_the_baseline_of_each_task_learns_from_words(task: Task) -> None:
    linear = baseline.fit(task, [GOOD, BAD] * 5, [GOOD, BAD], seed=1)
    assert linear.predict(["bad, bad, bad", "how good"]).tolist() == [0, 1]
    assert linear.name == task.baseline  # characters are no better here


def test_characters_are_seen_if_that_is_better_on_the_validation_rows() -> None:
    # GIVEN reviews in a script without spaces, each of other words around the telling one
    good, bad = "很好", "很差"
    middle = [chr(0x4E00 + 7 * number) * 2 for number in range(60)]
    rows = [Example(f"{m}{word}{m[0]}", label)
        for m in middle for label, word in enumerate((bad, good))]  # fmt: skip
    # WHEN the baseline is fitted
    linear = baseline.fit(NEWS, rows[:80], rows[80:], seed=1)
    # THEN it sees characters, says so, and is right
    assert linear.name == "TF-IDF(1,2) of words and (1-4) of characters + LinearSVC"
    assert linear.predict([f"今天{good}吃", f"今天{bad}吃"]).tolist() == [1, 0]


def test_texts_without_a_word_have_a_baseline_too() -> None:
    rows = [Example("😂", 1), Example("😭", 0)] * 5
    linear = baseline.fit(NEWS, rows, rows, seed=1)
    assert linear.predict(["😂😂", "😭"]).tolist() == [1, 0]


def test_the_choice_is_made_on_a_sample_of_very_many_texts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN more text than the choice is made on
    monkeypatch.setattr(baseline, "CHOOSE_ON", 60)
    # WHEN the baseline is fitted THEN the model has learnt all of the texts
    rows = [GOOD, BAD] * 5 + [Example("an excellent one", 1)]
    linear = baseline.fit(NEWS, rows, rows, seed=1)
    assert linear.predict(["excellent"]).tolist() == [1]


def test_the_baseline_reads_markup_as_a_space_like_the_model() -> None:
    # GIVEN rows that differ in nothing but markup
    rows = [Example("fine<br /><br />film", 1), Example("fine film", 0)] * 5
    # WHEN texts with and without markup are labelled
    linear = baseline.fit(SENTIMENT, rows, rows, seed=1)
    predicted = linear.predict(["fine<br />film", "fine film"])
    # THEN it makes no difference
    assert predicted[0] == predicted[1]
