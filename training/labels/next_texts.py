"""Choose the texts to label next: those that teach a model most, without repeats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from inference.model.bundle import Bundle
from inference.model.classifier import Classifier
from training.data.examples import Dataset, Example, cut_long_texts, labels_of, multi_hot
from training.data.text_key import normalise
from training.labels.diversity import (
    Matrix,
    draw_diverse,
    find_residuals,
    find_residuals_of_labels,
)
from training.labels.encoder import BundleEncoder
from training.labels.features import STATES, Features, compute_features, drop_markup
from training.labels.judge import SEED, compare_kinds

CHUNK = 1_000  # texts that are classified at once


@dataclass(frozen=True)
class Pool:
    """Texts to choose from, each once, and how many were left out."""

    texts: list[str]
    repeated: int = 0  # their text is in an earlier row
    labelled: int = 0  # their text has a label already
    unwritable: int = 0  # the layout of the labelled data cannot hold them

    @classmethod
    def make(
        cls, texts: Sequence[str], labelled: Sequence[str], find_problem: Callable[[str], str]
    ) -> "Pool":
        """Leave out texts that repeat: those with equal keys, as in training."""
        known, used = set(map(normalise, labelled)), dict[str, str]()
        repeated = has_label = unwritable = 0
        for text in texts:
            key = normalise(text)
            if key in known:
                has_label += 1
            elif key in used:
                repeated += 1
            elif find_problem(text):
                unwritable += 1
            else:
                used[key] = text
        return cls(list(used.values()), repeated, has_label, unwritable)

    def describe(self) -> str:
        """Say in one line what became of all texts."""
        parts = [f"{len(self.texts):,} to choose from"]
        parts += [
            f"{count:,} {reason}"
            for count, reason in (
                (self.repeated, "repeated"),
                (self.labelled, "labelled already"),
                (self.unwritable, "that the layout of the data cannot hold"),
            )
            if count
        ]
        total = len(self.texts) + self.repeated + self.labelled + self.unwritable
        return f"{total:,} texts = {' + '.join(parts)}"


@dataclass(frozen=True)
class NextTexts:
    """The texts to label next, and by what they were chosen."""

    texts: list[str]  # the first is the most uncertain one
    reason: str  # completes "chosen by"


def choose_by_model(pool: Pool, budget: int, bundle: Bundle) -> NextTexts:
    """Choose texts that a bundle is unsure of, and that its encoder tells apart."""
    classifier = Classifier.load(bundle)
    probabilities = _classify(classifier, pool.texts)
    residuals = find_residuals(probabilities)
    if classifier.labelling:
        limits = classifier.labelling.thresholds
        thresholds = np.array([limits[label] for label in classifier.labels])
        residuals = find_residuals_of_labels(probabilities, thresholds)
    features = compute_features(STATES, pool.texts, BundleEncoder(bundle))
    chosen = _draw(pool, budget, residuals, features.normalize())
    return NextTexts(chosen, f"what the model {bundle.version} is unsure of")


def choose_by_labels(
    pool: Pool, budget: int, dataset: Dataset, encoder: BundleEncoder
) -> NextTexts:
    """Choose texts that a logistic regression of labelled rows is unsure of.

    It sees what predicts the labels best: words, words and characters, or an encoder's states.
    """
    dataset = cut_long_texts(dataset)
    rows, count = dataset.examples, len(dataset.task.labels)
    texts = drop_markup([row.text for row in rows] + pool.texts, dataset.task.markup)
    kind = next(iter(compare_kinds(rows, texts[: len(rows)], count, encoder)))
    features = compute_features(kind, texts, encoder)
    residuals = _find_residuals_by(features, rows, count)
    chosen = _draw(pool, budget, residuals, features.normalize()[len(rows) :])
    judge = f"a logistic regression of {len(rows):,} labelled rows is unsure of, by {kind}"
    return NextTexts(chosen, f"what {judge}")


def choose_by_variety(pool: Pool, budget: int, encoder: BundleEncoder) -> NextTexts:
    """Choose texts that differ from each other, for a start without labels and without a model."""
    features = compute_features(STATES, pool.texts, encoder)
    chosen = _draw(pool, budget, np.ones((len(pool.texts), 1)), features.normalize())
    return NextTexts(chosen, "their variety alone: give --labelled or --model to choose better")


def _classify(classifier: Classifier, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the probabilities of texts, shape (texts, labels)."""
    rows: list[list[float]] = []
    with tqdm(total=len(texts), desc="classify", unit="text", leave=False, delay=1) as bar:
        for start in range(0, len(texts), CHUNK):
            predictions = classifier.predict(texts[start : start + CHUNK])
            rows += [list(prediction.probabilities.values()) for prediction in predictions]
            bar.update(len(predictions))
    return np.array(rows)


def _find_residuals_by(
    features: Features, labelled: Sequence[Example], count: int
) -> NDArray[np.float64]:
    """Fit a model to the first rows of the features, which are labelled, and predict the rest."""
    train = np.arange(len(labelled))
    rest = np.arange(len(labelled), features.matrix.shape[0])
    if labelled[0].labels is None:
        return find_residuals(features.fit_predict(train, labels_of(labelled), count, rest))
    hot = multi_hot(labelled, count).astype(np.int64)
    shares = [features.fit_predict(train, hot[:, label], 2, rest)[:, 1] for label in range(count)]
    return find_residuals_of_labels(np.column_stack(shares), np.full(count, 0.5))


def _draw(pool: Pool, budget: int, residuals: NDArray[np.float64], features: Matrix) -> list[str]:
    rows = draw_diverse(residuals, features, min(budget, len(pool.texts)), SEED)
    return [pool.texts[row] for row in rows]
