"""Predictions for many rows: made by a bundle, or saved for the test rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from inference.model.bundle import Bundle
from inference.model.classifier import Classifier, Prediction
from training.atomic import replacing
from training.data.examples import Example
from training.fit.trained_model import StaleError
from training.metrics import Labels, Probabilities
from training.multi_label import Answers

FILE = "predictions.npz"
FETCH_SECONDS = 600.0  # for a bundle from a store
CHUNK = 1000  # texts between two steps of the progress bar


@dataclass(frozen=True)
class HeldOutPredictions:
    """What the fp32 model and the baseline predict for the test rows of a model folder."""

    logits: NDArray[np.float32]  # shape (texts, labels), before temperature scaling
    baseline: Labels  # shape (texts,)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the predictions that `evaluate` saved.

        Raises:
            StaleError: there are none.
        """
        if not (folder / FILE).is_file():
            raise StaleError(f"{folder / FILE} is missing: run textclf evaluate {folder}")
        with np.load(folder / FILE, allow_pickle=False) as saved:
            return cls(saved["test"], saved["baseline"])

    def write(self, folder: Path) -> None:
        """Save the predictions."""
        with replacing(folder / FILE) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, test=self.logits, baseline=self.baseline)


def classify(classifier: Classifier, texts: Sequence[str]) -> list[Prediction]:
    """Classify texts under a progress bar, exactly as the classifier does when it serves."""
    starts = tqdm(range(0, len(texts), CHUNK), classifier.version, unit_scale=CHUNK, leave=False)
    return [p for start in starts for p in classifier.predict(texts[start : start + CHUNK])]


def stack_probabilities(predictions: Sequence[Prediction]) -> Probabilities:
    """Stack the probabilities of predictions, shape (texts, labels)."""
    return np.array([list(prediction.probabilities.values()) for prediction in predictions])


def stack_answers(predictions: Sequence[Prediction]) -> Answers:
    """Stack the labels of predictions where a text may have several, shape (texts, labels)."""
    return np.array(
        [
            [label in prediction.all_labels for label in prediction.probabilities]
            for prediction in predictions
        ]
    )


def answer_rows(bundle: Bundle, rows: Sequence[Example]) -> tuple[Probabilities, Answers]:
    """Compute a bundle's probabilities for rows, and the labels that it gives them."""
    return answer_texts(Classifier.load(bundle), [row.text for row in rows])


def answer_texts(classifier: Classifier, texts: Sequence[str]) -> tuple[Probabilities, Answers]:
    """Compute a classifier's probabilities for texts, and the labels that it gives them."""
    predictions = classify(classifier, texts)
    return stack_probabilities(predictions), stack_answers(predictions)


def predict_rows(bundle: Bundle, rows: Sequence[Example]) -> Probabilities:
    """Compute a bundle's probabilities for rows, shape (rows, labels)."""
    texts = [row.text for row in rows]
    return stack_probabilities(classify(Classifier.load(bundle), texts))
