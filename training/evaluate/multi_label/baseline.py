"""The yardstick where a text may have several labels: a linear model for each label.

It sees what the yardstick for a single label sees, see `training/evaluate/baseline.py`: words and
word pairs or, if that is better on the validation rows, characters as well. Each label has a
threshold of its own, chosen on the validation rows like those of the model.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from training import multi_label
from training.data.examples import Example, multi_hot
from training.evaluate.baseline import CHARACTERS, CLASSIFIERS, draw, make_features, read_markup
from training.multi_label import Answers
from training.tasks import Task

ONE_VS_REST = "one-vs-rest"


@dataclass(frozen=True)
class Baseline:
    """A fitted linear model, and the score from which a text has a label."""

    name: str
    markup: str | None
    model: Any
    thresholds: tuple[float, ...] = ()

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return how sure it is of each label, from 0 to 1; shape (texts, labels)."""
        decisions = self.model.decision_function(read_markup(texts, self.markup))
        return multi_label.sigmoid(np.asarray(decisions))

    def predict(self, texts: Sequence[str]) -> Answers:
        """Label texts, shape (texts, labels)."""
        return multi_label.decide(self.score(texts), self.thresholds)


def fit(task: Task, train: Sequence[Example], validation: Sequence[Example], seed: int) -> Baseline:
    """Fit the linear models, on the features that do best on the validation rows.

    Words alone win a tie. With a great many texts the choice is made on a sample of them.
    """
    sample = draw(train, seed)
    candidates = [
        _choose_thresholds(candidate, validation, len(task.labels))
        for with_characters in (False, True)
        if (candidate := _fit(task, sample, seed, with_characters=with_characters)) is not None
    ]
    texts, labels = [row.text for row in validation], multi_hot(validation, len(task.labels))
    scores = [multi_label.micro_f1(each.predict(texts), labels) for each in candidates]
    best = candidates[int(np.argmax(scores))]
    if len(sample) == len(train):
        return best
    with_characters = best.name.startswith(CHARACTERS)
    best = _fit(task, train, seed, with_characters=with_characters) or best
    return _choose_thresholds(best, validation, len(task.labels))


def _choose_thresholds(baseline: Baseline, validation: Sequence[Example], count: int) -> Baseline:
    scores = baseline.score([row.text for row in validation])
    thresholds = multi_label.choose_thresholds(scores, multi_hot(validation, count))
    return Baseline(baseline.name, baseline.markup, baseline.model, thresholds)


def _fit(
    task: Task, rows: Sequence[Example], seed: int, *, with_characters: bool
) -> Baseline | None:
    """Fit the models on words, or on words and characters; None if the texts have no words."""
    features = make_features(task, rows, with_characters=with_characters)
    if features is None:
        return None
    of_one_label = CLASSIFIERS[task.baseline](random_state=seed)
    model = make_pipeline(features.extractor, OneVsRestClassifier(of_one_label))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # close enough for a yardstick
        # A label that all training rows have, or none, gets a constant answer.
        warnings.filterwarnings("ignore", "Label .* is present in all", UserWarning)
        warnings.filterwarnings("ignore", "Label not .* is present in all", UserWarning)
        model.fit(
            read_markup([row.text for row in rows], task.markup),
            multi_hot(rows, len(task.labels)).astype(int),
        )
    return Baseline(f"{features.name}, {ONE_VS_REST}", task.markup, model)
