"""Sentiment: another task, made with the same commands as the news."""

from pathlib import Path

import pytest

from inference.model.bundle import Bundle, read_verified
from inference.model.classifier import Classifier
from tests.conftest import REVIEWS, TRAINING
from textclf.app import main


@pytest.fixture(scope="module")
def bundle(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The sample reviews, trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("reviews")
    options = ["--task", "sentiment", "--data", str(REVIEWS), "--base-model", str(tiny_base)]
    options += ["--max-length", "64", "--output", str(folder), *TRAINING]
    assert main(["train", *options]) == 0
    assert main(["evaluate", str(folder)]) == 0
    assert main(["export", str(folder)]) == 0
    return read_verified(folder / "bundle")


@pytest.fixture(scope="module")
def classifier(bundle: Bundle) -> Classifier:
    return Classifier.load(bundle)


def test_the_labels_and_the_baseline_are_those_of_the_task(bundle: Bundle) -> None:
    assert bundle.manifest.labels == ("negative", "positive")
    assert bundle.manifest.metrics["baseline"]["name"].endswith("logistic regression")


@pytest.mark.parametrize("line_break", ["<br />", "<br/><br>"])
def test_a_line_break_in_html_is_read_as_a_space(classifier: Classifier, line_break: str) -> None:
    # GIVEN one review in two layouts WHEN they are classified THEN they are read alike
    page, plain = classifier.predict([f"Dull.{line_break}Not for me.", "Dull. Not for me."])
    assert page == plain


def test_a_long_review_is_cut_and_the_prediction_says_so(classifier: Classifier) -> None:
    short, long = classifier.predict(["Dull.", "Dull. " * 100])
    assert (short.truncated, long.truncated) == (False, True)
    assert long.tokens == 64


def test_a_long_review_loses_its_beginning(classifier: Classifier) -> None:
    # GIVEN long reviews that differ in their beginning, or in their end
    ending = "Dull. " * 60
    plain, beginning, other = classifier.predict(
        [ending * 2, "Wonderful! " + ending, ending + "Wonderful!"]
    )
    # THEN the beginning makes no difference, and the end does
    assert beginning == plain
    assert other.probabilities != plain.probabilities
