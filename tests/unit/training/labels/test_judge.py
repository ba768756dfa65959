import numpy as np

from training.data.examples import Example
from training.labels.features import WORDS, compute_features
from training.labels.judge import COMPARE_ON, Judgement, compare_kinds, judge_labels


def make_examples(count: int) -> list[Example]:
    """Make texts about shares (0) and vaccines (1), each with a word of its own."""
    subjects = ("shares fall", "vaccine works")
    return [Example(f"{subjects[n % 2]} number{n}", n % 2) for n in range(count)]


def judge(examples: list[Example], count: int = 2) -> Judgement:
    features = compute_features(WORDS, [example.text for example in examples], None)
    return judge_labels(examples, features, count)


def test_a_wrong_label_is_found_with_the_right_one() -> None:
    # GIVEN a text about shares that is labelled as one about vaccines
    examples = [*make_examples(40), Example("shares fall today", 1)]
    # WHEN the labels are judged
    judgement = judge(examples)
    # THEN it is the only suspect, and the right label is suggested
    (suspect,) = judgement.suspects
    assert (suspect.row, suspect.suggested) == (40, (0,))
    assert suspect.score > 0.3
    assert judgement.agreement == 40 / 41


def test_correct_labels_are_no_suspects() -> None:
    judgement = judge(make_examples(40))
    assert judgement.suspects == []
    assert judgement.estimate == 0
    assert judgement.agreement == 1


def test_a_label_that_is_missing_or_too_many_is_found_where_there_may_be_several() -> None:
    # GIVEN texts with both labels, one or none, two of which are labelled wrongly
    texts = {(0, 1): "shares fall vaccine works", (0,): "shares fall", (1,): "vaccine works"}
    examples = [
        Example(f"{text} number{n}", -1, labels=labels)
        for n in range(20)
        for labels, text in texts.items()
    ]
    examples += [
        Example("shares fall vaccine works today", -1, labels=(0,)),
        Example("vaccine works today", -1, labels=(0, 1)),
    ]
    # WHEN the labels are judged
    judgement = judge(examples)
    # THEN both are suspects with all the labels that they should have
    suggested = {suspect.row: suspect.suggested for suspect in judgement.suspects}
    assert suggested == {60: (0, 1), 61: (1,)}


def test_rows_of_a_single_group_are_counted_and_not_judged() -> None:
    examples = [Example(f"text {n}", n % 2, group="g") for n in range(20)]
    judgement = judge(examples)
    assert (judgement.not_judged, judgement.suspects) == (20, [])


def test_the_features_that_predict_the_labels_best_come_first() -> None:
    # GIVEN texts whose labels only their characters tell: their words are all different
    examples = [
        Example(f"x{np.base_repr(n + 99, 36)}{'ing' if n % 2 else 'ous'}", n % 2) for n in range(60)
    ]
    # WHEN the kinds of features are compared
    texts = [example.text for example in examples]
    judged = compare_kinds(examples, texts, 2, encoder=None)
    # THEN characters win
    assert list(judged) == ["words and characters", "words"]
    assert judged["words and characters"].agreement == 1


def test_features_of_a_large_file_are_compared_on_a_sample() -> None:
    examples = make_examples(COMPARE_ON + 500)
    texts = [example.text for example in examples]
    (judgement,) = compare_kinds(examples, texts, 2, None, kinds=[WORDS]).values()
    assert judgement.suspects == []
    assert judgement.agreement == 1
