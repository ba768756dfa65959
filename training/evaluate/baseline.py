"""The yardstick of every report: TF-IDF and a linear model.

It sees words and word pairs or, if that is better on the validation rows, characters as well: in
scripts without spaces, or whose marks a tokenizer of words drops, words alone say little. Nothing
else is tuned, and a hundred thousand headlines take a minute or two. A transformer that does not
beat it is not worth its price.
"""

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
from sklearn.svm import LinearSVC

from training.data.examples import DataError, Example, labels_of
from training.tasks import Task

CLASSIFIERS = {
    "TF-IDF(1,2) + LinearSVC": LinearSVC,
    "TF-IDF(1,2) + logistic regression": LogisticRegression,
}
CHARACTERS = "TF-IDF(1,2) of words and (1-4) of characters"
# Characters of the training rows that the choice is made on: about three minutes on one core.
CHOOSE_ON = 40_000_000


@dataclass(frozen=True)
class Baseline:
    """A fitted linear model."""

    name: str
    markup: str | None
    model: Any

    def predict(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Label texts."""
        predicted: NDArray[np.int64] = self.model.predict(read_markup(texts, self.markup))
        return predicted


def fit(task: Task, train: Sequence[Example], validation: Sequence[Example], seed: int) -> Baseline:
    """Fit the task's linear model, on the features that do best on the validation rows.

    Words alone win a tie. With a great many texts the choice is made on a sample of them.
    """
    sample = draw(train, seed)
    candidates = [
        candidate
        for with_characters in (False, True)
        if (candidate := _fit(task, sample, seed, with_characters=with_characters)) is not None
    ]
    texts, labels = [row.text for row in validation], labels_of(validation)
    scores = [(candidate.predict(texts) == labels).mean() for candidate in candidates]
    best = candidates[int(np.argmax(scores))]
    if len(sample) == len(train):
        return best
    with_characters = best.name.startswith(CHARACTERS)
    return _fit(task, train, seed, with_characters=with_characters) or best


def fit_words(task: Task, train: Sequence[Example], seed: int) -> Baseline:
    """Fit the task's linear model on words and word pairs, whatever characters would add."""
    words = _fit(task, train, seed, with_characters=False)
    if words is None:
        raise DataError("the texts have no words of two letters or more")
    return words


def draw(rows: Sequence[Example], seed: int) -> Sequence[Example]:
    """Draw rows of at most ``CHOOSE_ON`` characters."""
    order = np.random.default_rng(seed).permutation(len(rows))
    lengths = np.cumsum([len(rows[index].text) for index in order])
    count = int((lengths <= CHOOSE_ON).sum())
    return rows if count == len(rows) else [rows[index] for index in sorted(order[:count])]


def _fit(
    task: Task, rows: Sequence[Example], seed: int, *, with_characters: bool
) -> Baseline | None:
    """Fit the model on words, or on words and characters; None if the texts have no words."""
    features = make_features(task, rows, with_characters=with_characters)
    if features is None:
        return None
    model = make_pipeline(features.extractor, CLASSIFIERS[task.baseline](random_state=seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # close enough for a yardstick
        model.fit(read_markup([row.text for row in rows], task.markup), labels_of(rows))
    return Baseline(features.name, task.markup, model)


@dataclass(frozen=True)
class Features:
    """What a linear model sees, and the name of both."""

    name: str
    extractor: Any


def make_features(task: Task, rows: Sequence[Example], *, with_characters: bool) -> Features | None:
    """Make the features of words, or of words and characters; None if the texts have no words."""
    words: Any = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    if not with_characters:
        return Features(task.baseline, words) if _has_words(rows, task) else None
    characters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, dtype=np.float32
    )
    name = f"{CHARACTERS} + {task.baseline.partition(' + ')[2]}"
    return Features(name, make_union(words, characters) if _has_words(rows, task) else characters)


def _has_words(rows: Sequence[Example], task: Task) -> bool:
    """Whether a text has a word of two letters, which is what scikit-learn takes for one."""
    word = re.compile(r"\b\w\w+\b")
    return any(word.search(text) for text in read_markup([row.text for row in rows], task.markup))


def read_markup(texts: Sequence[str], markup: str | None) -> list[str]:
    """Return texts with their markup read as a space, as the model reads it."""
    return [re.sub(markup, " ", text) for text in texts] if markup else list(texts)
