"""Sentiment by the commands that news is made with: another task, the same code."""

from pathlib import Path

import pytest

from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from tests.conftest import REVIEWS, TRAINING
from training.evaluate import evaluation as evaluate
from training.export import bundle as export
from training.fit import train


@pytest.fixture(scope="module")
def classifier(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """The sample reviews trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("reviews")
    options = ["--task", "sentiment", "--data", str(REVIEWS), "--base-model", str(tiny_base)]
    options += ["--max-length", "64", "--output", str(folder), *TRAINING]
    assert train.main(options) == 0
    assert evaluate.main([str(folder)]) == 0
    assert export.main([str(folder)]) == 0
    return Classifier(folder / "bundle", read_verified(folder / "bundle")[0])


def test_the_labels_are_the_tasks(classifier: Classifier) -> None:
    assert classifier.manifest.labels == ("negative", "positive")
    assert classifier.manifest.metrics["baseline"]["name"].endswith("logistic regression")


@pytest.mark.parametrize("line_break", ["<br />", "<br/><br>"])
def test_a_line_break_of_a_page_is_read_as_a_space(classifier: Classifier, line_break: str) -> None:
    # GIVEN one review in two layouts WHEN they are classified THEN they read the same
    page, plain = classifier.predict([f"Dull.{line_break}Not for me.", "Dull. Not for me."])
    assert page == plain


def test_a_long_review_is_classified_and_said_to_be_cut(classifier: Classifier) -> None:
    short, long = classifier.predict(["Dull.", "Dull. " * 100])
    assert (short.truncated, long.truncated) == (False, True)
    assert long.tokens == 64


def test_what_is_cut_off_is_the_beginning(classifier: Classifier) -> None:
    # GIVEN long reviews that differ in their beginning, or in their end
    ending = "Dull. " * 60
    plain, beginning, other = classifier.predict(
        [ending * 2, "Wonderful! " + ending, ending + "Wonderful!"]
    )
    # THEN the beginning makes no difference, and the end does
    assert beginning == plain
    assert other.probabilities != plain.probabilities
