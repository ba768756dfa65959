"""Represent texts as numbers that a logistic regression learns labels from in seconds."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler, normalize

from training.labels.encoder import BundleEncoder

WORDS, CHARACTERS, STATES = "words", "words and characters", "encoder"
# Characters in all texts; beyond, n-grams of characters take minutes, and words say enough.
MOST_CHARACTERS = 2_000_000
MANY_TEXTS = 100
# What did well on headlines, tickets, reviews and AG News alike (see benchmarks/label_errors.py).
WORDS_C, STATES_C = 10.0, 0.01
_WORD = re.compile(r"\b\w\w+\b")  # what scikit-learn takes for one

Matrix = Any  # rows by features, a sparse matrix or an array


@dataclass(frozen=True)
class Features:
    """The features of some texts, and how strongly a model of them is held back."""

    kind: str
    matrix: Matrix
    is_sparse: bool

    def fit_predict(
        self,
        train: NDArray[np.intp],
        labels: NDArray[np.int64],
        count: int,
        rows: NDArray[np.intp],
    ) -> NDArray[np.float64]:
        """Learn the labels of some rows, and return the probabilities of others.

        Args:
            train: the rows to learn from.
            labels: their labels, two different ones or more.
            count: how many labels there are; those without a row get the probability 0.
            rows: the rows to predict.

        Returns:
            Probabilities, shape (rows, count).
        """
        probabilities = np.zeros((len(rows), count))
        known = np.unique(labels)
        if len(known) == 1:
            probabilities[:, known[0]] = 1
            return probabilities
        model = self._make_model()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the order of rows is settled
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            model.fit(self.matrix[train], labels)
        probabilities[:, known] = model.predict_proba(self.matrix[rows])
        return probabilities

    def normalize(self) -> Matrix:
        """Return the features of each row at length 1, so that products are cosines."""
        return normalize(self.matrix)

    def _make_model(self) -> Any:
        if self.is_sparse:
            return LogisticRegression(C=WORDS_C, max_iter=200, tol=1e-3)
        return make_pipeline(StandardScaler(), LogisticRegression(C=STATES_C, max_iter=300))


def list_kinds(texts: Sequence[str], encoder: BundleEncoder | None) -> list[str]:
    """Return the kinds of features that can be computed for texts in reasonable time."""
    kinds = [WORDS] if _have_words(texts) else []
    if not kinds or sum(map(len, texts)) <= MOST_CHARACTERS:
        kinds.append(CHARACTERS)
    return [*kinds, STATES] if encoder else kinds


def compute_features(kind: str, texts: Sequence[str], encoder: BundleEncoder | None) -> Features:
    """Compute the features of a kind, which needs the encoder if it is STATES."""
    if kind == STATES and encoder:
        return Features(kind, encoder.encode(texts), is_sparse=False)
    # What a single text has says nothing about the others; few texts have little in common.
    least = 2 if sum(map(len, texts)) > MOST_CHARACTERS else 1
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=least)
    least = 2 if len(texts) >= MANY_TEXTS else 1
    characters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, min_df=least
    )
    vectorizer = words if kind == WORDS else characters
    if kind == CHARACTERS and _have_words(texts):
        vectorizer = make_union(words, characters)
    return Features(kind, vectorizer.fit_transform(texts).tocsr(), is_sparse=True)


def drop_markup(texts: Sequence[str], markup: str | None) -> list[str]:
    """Return texts with their markup read as a space, as a model of the task reads it."""
    return [re.sub(markup, " ", text) for text in texts] if markup else list(texts)


def _have_words(texts: Sequence[str]) -> bool:
    return any(_WORD.search(text) for text in texts)
