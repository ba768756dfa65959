"""Predict each row by a model that has seen neither its group nor its text."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold
from tqdm import tqdm

from training.data.examples import Example, clusters_of
from training.data.text_key import normalise
from training.labels.features import Features

FOLDS = 5


@dataclass(frozen=True)
class OutOfFold:
    """What models said about rows that they had not seen."""

    probabilities: NDArray[np.float64]  # (rows, labels)
    is_judged: NDArray[np.bool_]  # whether the model of a row's fold had seen its label at all


@dataclass(frozen=True)
class Folds:
    """A number for each row: the fold in which it is predicted."""

    numbers: NDArray[np.int64]
    keys: NDArray[np.int64]  # equal for equal texts

    @classmethod
    def make(
        cls,
        examples: Sequence[Example],
        labels: NDArray[np.int64],
        seed: int,
        folds: int = FOLDS,
    ) -> "Folds":
        """Spread the rows over folds, with all rows of a group or a text in the same one."""
        clusters = clusters_of(examples)
        count = min(folds, int(clusters.max()) + 1)
        numbers = np.zeros(len(examples), np.int64)
        if count > 1:
            splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
            strata = _merge_rare(labels, count)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # a rare label misses some folds
                splits = list(splitter.split(np.zeros(len(examples)), strata, clusters))
            for number, (_, rows) in enumerate(splits):
                numbers[rows] = number
        keys: dict[str, int] = {}
        of_rows = [keys.setdefault(normalise(row.text), len(keys)) for row in examples]
        return cls(numbers, np.array(of_rows, np.int64))

    def train_rows(self, number: int) -> NDArray[np.intp]:
        """Return the rows to learn from for a fold: no text of it, whatever their group."""
        is_held_out = self.numbers == number
        return np.flatnonzero(~is_held_out & ~np.isin(self.keys, self.keys[is_held_out]))

    def predict(self, features: Features, labels: NDArray[np.int64], count: int) -> OutOfFold:
        """Predict the rows of each fold by a model of the other folds' rows."""
        probabilities = np.zeros((len(labels), count))
        is_judged = np.zeros(len(labels), bool)
        numbers = np.unique(self.numbers)
        for number in tqdm(numbers, features.kind, unit="fold", leave=False, delay=1):
            train, rows = self.train_rows(number), np.flatnonzero(self.numbers == number)
            if len(train):
                of_rows = features.fit_predict(train, labels[train], count, rows)
                probabilities[rows] = of_rows
                is_judged[rows] = np.isin(labels[rows], labels[train])
        return OutOfFold(probabilities, is_judged)


def _merge_rare(labels: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Treat labels with too few rows to be spread as one."""
    _, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    numbers = numbers.reshape(-1)
    return np.where(counts[numbers] < least, -1, numbers)
