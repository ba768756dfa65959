"""The shipped model's predictions for the sample headlines."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.model.bundle import read_verified
from inference.model.classifier import Classifier, Prediction
from tests.conftest import HEADLINES, SAMPLE_MODEL
from training import tasks
from training.data.examples import clusters_of
from training.data.read import read


@dataclass(frozen=True)
class Headlines:
    predictions: list[Prediction]
    stories: NDArray[np.int64]  # of each headline, numbered from 0


@pytest.fixture(scope="package")
def classifier() -> Classifier:
    return Classifier.load(read_verified(SAMPLE_MODEL))


@pytest.fixture(scope="package")
def headlines(classifier: Classifier) -> Headlines:
    rows = read(str(HEADLINES), tasks.NEWS).examples
    _, stories = np.unique(clusters_of(rows), return_inverse=True)
    return Headlines(classifier.predict([row.text for row in rows]), stories)
