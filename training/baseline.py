"""TF-IDF and a linear model: the yardstick every report shows.

Words and word pairs, no tuning: what half a minute on one core gives. A transformer that
does not beat it is not worth its price.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from training.data import Example

NAME = "TF-IDF(1,2) + LinearSVC"


def predict(train: Sequence[Example], texts: Sequence[str], seed: int) -> NDArray[np.int64]:
    """The labels that a linear model fitted on the training rows gives to texts."""
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = vectorizer.fit_transform([example.text for example in train])
    model = LinearSVC(random_state=seed).fit(features, [example.label for example in train])
    predicted: NDArray[np.int64] = model.predict(vectorizer.transform(texts))
    return predicted
