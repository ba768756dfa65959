"""Facts about the full data sets, and the shipped model on rows it has never seen."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from inference.drift.measure import MIN_TEXTS
from inference.drift.reference import read_reference
from inference.drift.stability import measure_features
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier, Prediction
from tests.conftest import SAMPLE_MODEL
from training import tasks
from training.data.examples import Dataset
from training.data.read import read
from training.data.split import Split, split
from training.data.text_key import normalise
from training.evaluate import baseline
from training.fit.record import TrainingRecord


@pytest.fixture(scope="module")
def news(real_data: Path) -> Dataset:
    return read(str(real_data / "newsCorpora.csv.xz"), tasks.NEWS)


@pytest.fixture(scope="module")
def reviews(real_data: Path) -> Dataset:
    return read(str(real_data / "imdb.csv.gz"), tasks.SENTIMENT)


@pytest.fixture(scope="module")
def news_split(news: Dataset) -> Split:
    """The split that the shipped model was trained on, without rows that were joined later."""
    record = TrainingRecord.model_validate(read_verified(SAMPLE_MODEL).manifest.training)
    assert record.is_split_by_story  # so that the seed alone decides which stories are held out
    return split(news, record.split, record.settings.seed, record.key)


def find_drift(window: Sequence[Prediction]) -> set[str]:
    """The features that have drifted from the shipped model's reference."""
    reference = read_reference(read_verified(SAMPLE_MODEL).manifest)
    return {feature.name for feature in measure_features(reference, window) if feature.drifted}


def draw(texts: Sequence[str]) -> list[str]:
    """As many texts as drift is measured on; the same ones each time."""
    return [texts[row] for row in np.random.default_rng(0).permutation(len(texts))[:MIN_TEXTS]]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(read_verified(SAMPLE_MODEL))


def test_every_row_of_the_news_is_read(news: Dataset) -> None:
    assert len(news.examples) == 422_937
    counts = Counter(news.task.labels[example.label] for example in news.examples)
    assert counts == {
        "Business": 115_967,
        "Science": 108_503,
        "Entertainment": 152_828,
        "Health": 45_639,
    }
    assert len({example.group for example in news.examples}) == 7_231


def test_the_news_file_is_the_one_that_the_model_was_trained_on(news: Dataset) -> None:
    assert news.sha256 == "d343d484bb7e97534acf25898b688547b8140a0cea64590456ba368983f28452"


def test_no_story_and_no_title_leaks_into_the_test_rows(news_split: Split) -> None:
    train_titles = {normalise(row.text) for row in news_split.train}
    train_stories = {row.group for row in news_split.train}
    assert len(news_split.test) > 30_000
    assert not train_stories & {row.group for row in news_split.test}
    assert not train_titles & {normalise(row.text) for row in news_split.test}


def test_every_review_is_read(reviews: Dataset) -> None:
    assert Counter(row.label for row in reviews.examples) == {0: 25_000, 1: 25_000}


def test_the_reviews_are_split_as_their_authors_did(reviews: Dataset) -> None:
    # GIVEN the reviews WHEN they are split as the task does by default
    parts = split(reviews, reviews.task.default_split, seed=42)
    # THEN the test rows are the official half, except for texts that are also in the other half
    assert {row.part for row in parts.test} == {"test"}
    assert 25_000 - 123 <= len(parts.test) < 25_000
    assert {row.part for row in parts.train + parts.validation} == {"train"}


def test_held_out_headlines_have_not_drifted(news_split: Split, classifier: Classifier) -> None:
    assert find_drift(classifier.predict(draw([row.text for row in news_split.test]))) == set()


def test_held_out_headlines_of_one_label_have_drifted(
    news_split: Split, classifier: Classifier
) -> None:
    health = [row.text for row in news_split.test if classifier.labels[row.label] == "Health"]
    assert "label" in find_drift(classifier.predict(draw(health)))


def test_reviews_have_drifted(reviews: Dataset, classifier: Classifier) -> None:
    texts = draw([row.text for row in reviews.examples])
    assert find_drift(classifier.predict(texts)) >= {"label", "tokens"}


@pytest.mark.timeout(900)
def test_the_shipped_model_beats_the_baseline_on_held_out_stories(
    news_split: Split, classifier: Classifier
) -> None:
    # GIVEN the test rows of the shipped model's own split
    texts, truth = [row.text for row in news_split.test], [row.label for row in news_split.test]
    labels = classifier.labels
    # WHEN the shipped bundle and a linear model label them
    predictions = classifier.predict(texts)
    right = [
        labels[label] == prediction.label
        for label, prediction in zip(truth, predictions, strict=True)
    ]
    linear = baseline.fit_words(tasks.NEWS, news_split.train, seed=42)
    guesses = linear.predict(texts)
    # THEN the linear model is the one of the shipped record: one that sees characters, too, was
    # worse on the validation rows, and takes two minutes
    published = read_verified(SAMPLE_MODEL).manifest.metrics
    assert linear.name == published["baseline"]["name"] == "TF-IDF(1,2) + LinearSVC"
    linear_accuracy = (guesses == truth).mean()
    assert linear_accuracy == pytest.approx(published["baseline"]["accuracy"], abs=0.002)
    # AND the bundle is better by half a point, and as accurate as its manifest says
    accuracy = sum(right) / len(right)
    assert accuracy - linear_accuracy >= 0.005
    assert accuracy == pytest.approx(published["int8"]["accuracy"], abs=0.002)
