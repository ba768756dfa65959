"""The model that ships with the repository."""

from pathlib import Path

import pytest

from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from tests.conftest import HEADLINES, SAMPLE_DATA, SAMPLE_MODEL
from training.data.read import read
from training.data.text_key import normalise
from training.tasks import NEWS

ELSEWHERE = SAMPLE_DATA / "elsewhere.csv"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(read_verified(SAMPLE_MODEL))


def test_it_is_small() -> None:
    assert sum(file.stat().st_size for file in SAMPLE_MODEL.iterdir()) < 24_000_000


def test_it_beats_the_baseline_and_its_manifest_says_so() -> None:
    metrics = read_verified(SAMPLE_MODEL).manifest.metrics
    assert metrics["int8"]["accuracy"] - metrics["baseline"]["accuracy"] >= 0.005


@pytest.mark.parametrize(
    ("file", "share"), [(HEADLINES, 0.93), (ELSEWHERE, 0.9)], ids=["2025", "elsewhere"]
)
def test_it_holds_on_other_years_and_sources(
    file: Path, share: float, classifier: Classifier
) -> None:
    # GIVEN headlines that were written for this project, in the style of other years and places
    rows = read(str(file), NEWS).examples
    # WHEN the shipped model labels them
    predictions = classifier.predict([row.text for row in rows])
    # THEN about as many are right as the documentation says
    labels = classifier.labels
    right = sum(p.label == labels[row.label] for p, row in zip(predictions, rows, strict=True))
    assert right / len(rows) >= share


def test_it_has_learnt_none_of_the_headlines_that_measure_it() -> None:
    # GIVEN the files that were joined to the data, and those that measure
    learnt, measured = (
        {normalise(row.text) for file in files for row in read(str(file), NEWS).examples}
        for files in ((SAMPLE_DATA / "other-years").iterdir(), (HEADLINES, ELSEWHERE))
    )
    # THEN they have no headline in common
    assert len(measured) > 800
    assert not learnt & measured
