from pathlib import Path

import numpy as np
import pytest

from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from tests.conftest import SAMPLE_MODEL
from training.data.examples import Example
from training.evaluate import predictions
from training.evaluate.predictions import HeldOutPredictions, classify, predict_rows


def test_texts_are_classified_in_chunks_and_stay_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN chunks of two texts
    monkeypatch.setattr(predictions, "CHUNK", 2)
    classifier = Classifier.load(read_verified(SAMPLE_MODEL))
    texts = [
        "Stocks fall",
        "New film wins award",
        "Flu season begins",
        "Apple shows a phone",
        "Oil",
    ]
    # WHEN five are classified THEN the predictions are those of one call, but for the last bits,
    # which may depend on the size of a batch
    for found, expected in zip(classify(classifier, texts), classifier.predict(texts), strict=True):
        assert (found.label, found.tokens) == (expected.label, expected.tokens)
        assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-6)


def test_probabilities_of_rows_have_a_row_each_and_a_column_per_label() -> None:
    probabilities = predict_rows(read_verified(SAMPLE_MODEL), [Example("Stocks fall", 0)] * 3)
    assert probabilities.shape == (3, 4)
    assert probabilities.sum(axis=1) == pytest.approx(1)


def test_saved_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    # GIVEN predictions for two test rows
    logits = np.array([[0.5, -1.25], [3.0, 2.0]], np.float32)
    # WHEN they are saved THEN the same ones are read
    HeldOutPredictions(logits, np.array([0, 1])).write(tmp_path)
    saved = HeldOutPredictions.read(tmp_path)
    assert (saved.logits == logits).all()
    assert saved.baseline.tolist() == [0, 1]
