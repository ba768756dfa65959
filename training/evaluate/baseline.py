"""The yardstick of every report: TF-IDF and a linear model.

It sees words and word pairs, is not tuned and takes half a minute on one core. A transformer
that does not beat it is not worth its price.
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
    """Fit the task's linear model on the training rows and label texts with it."""

    def drop_markup(text: str) -> str:
        return re.sub(task.markup, " ", text) if task.markup else text

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = vectorizer.fit_transform([drop_markup(example.text) for example in train])
    model = CLASSIFIERS[task.baseline](random_state=seed)
    model.fit(features, [example.label for example in train])
    test = vectorizer.transform([drop_markup(text) for text in texts])
    predicted: NDArray[np.int64] = model.predict(test)
    return predicted
