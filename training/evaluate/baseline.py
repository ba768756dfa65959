"""TF-IDF and a linear model: the yardstick every report shows.

Words and word pairs, no tuning: what half a minute on one core gives. A transformer that
does not beat it is not worth its price.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from training.data.examples import Example
from training.tasks import Task

CLASSIFIERS = {
    "TF-IDF(1,2) + LinearSVC": LinearSVC,
    "TF-IDF(1,2) + logistic regression": LogisticRegression,
}


def predict(
    task: Task, train: Sequence[Example], texts: Sequence[str], seed: int
) -> NDArray[np.int64]:
    """The labels that the task's linear model, fitted on the training rows, gives to texts."""

    def cleaned(text: str) -> str:
        return re.sub(task.markup, " ", text) if task.markup else text

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = vectorizer.fit_transform([cleaned(example.text) for example in train])
    model = CLASSIFIERS[task.baseline](random_state=seed)
    model.fit(features, [example.label for example in train])
    predicted: NDArray[np.int64] = model.predict(
        vectorizer.transform([cleaned(text) for text in texts])
    )
    return predicted
