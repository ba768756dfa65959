import numpy as np
import pytest

from tests.conftest import HEADLINES
from training.data.examples import Example, clusters_of, labels_of
from training.data.read import read
from training.data.text_key import normalise
from training.labels.features import WORDS, compute_features
from training.labels.folds import Folds
from training.tasks import NEWS


def make_folds(examples: list[Example]) -> Folds:
    return Folds.make(examples, labels_of(examples), seed=1)


def test_a_story_is_in_one_fold() -> None:
    # GIVEN the sample headlines, several on each story
    examples = read(str(HEADLINES), NEWS).examples
    # WHEN they are spread over folds
    folds = make_folds(examples)
    # THEN the headlines of a story are together, and every fold has some
    pairs = set(zip(clusters_of(examples).tolist(), folds.numbers.tolist(), strict=True))
    assert len(pairs) == clusters_of(examples).max() + 1
    assert set(folds.numbers.tolist()) == {0, 1, 2, 3, 4}


def test_no_text_is_learnt_from_to_judge_the_same_text_in_another_story() -> None:
    # GIVEN a text that differs only in case and punctuation between two stories
    examples = [Example(f"text {n}", n % 2, group=f"story {n}") for n in range(40)]
    examples += [Example("The Same!", 0, group="a"), Example("the same", 1, group="b")]
    folds = make_folds(examples)
    # WHEN the training rows of any fold are taken
    for number in range(5):
        learnt = {normalise(examples[row].text) for row in folds.train_rows(number)}
        held_out = {
            normalise(example.text)
            for example, fold in zip(examples, folds.numbers, strict=True)
            if fold == number
        }
        # THEN none of their texts is in the fold
        assert learnt
        assert not learnt & held_out


def test_every_row_is_predicted_by_a_model_that_has_not_seen_it() -> None:
    # GIVEN texts of one unique word each, so that a model knows nothing of unseen ones
    examples = [Example(f"word{n}", n % 2) for n in range(40)]
    features = compute_features(WORDS, [example.text for example in examples], None)
    # WHEN they are predicted out of fold
    predicted = make_folds(examples).predict(features, labels_of(examples), 2)
    # THEN the model is undecided about all, where one that had seen them would be sure
    assert np.abs(predicted.probabilities - 0.5).max() < 0.1
    assert predicted.is_judged.all()


def test_a_row_whose_label_is_in_no_other_group_is_not_judged() -> None:
    examples = [Example(f"text {n}", n % 2) for n in range(20)]
    examples += [Example("rare one", 2, group="g"), Example("rare two", 2, group="g")]
    features = compute_features(WORDS, [example.text for example in examples], None)
    predicted = make_folds(examples).predict(features, labels_of(examples), 3)
    assert np.flatnonzero(~predicted.is_judged).tolist() == [20, 21]


@pytest.mark.parametrize("labels", [range(20), [0] * 20])
def test_labels_that_are_all_rare_or_all_the_same_can_be_spread(labels: list[int]) -> None:
    examples = [Example(f"text {n}", label) for n, label in enumerate(labels)]
    assert len(set(make_folds(examples).numbers.tolist())) == 5


def test_rows_of_a_single_group_are_not_judged() -> None:
    examples = [Example(f"text {n}", n % 2, group="g") for n in range(20)]
    features = compute_features(WORDS, [example.text for example in examples], None)
    predicted = make_folds(examples).predict(features, labels_of(examples), 2)
    assert not predicted.is_judged.any()
