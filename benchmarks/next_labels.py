"""Measure what the choice of texts to label is worth, by simulated active learning.

    python -m benchmarks.next_labels
    python -m benchmarks.next_labels newsCorpora.csv --features words --max-rows 6000 \
        --start 50 --batch 50

By default, the texts are the headlines in `data/`. A third of the stories is kept apart to test on.
A few labels of the others are known at the start; then batches are chosen in several ways, their
labels are looked up, and a logistic regression learns from all that is known. The table has its
accuracy after each batch, and the standard error, over several starts at random. The states come
from the encoder of the shipped model, which has not learnt these headlines.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import cyclopts
import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from inference.local.checkout import ROOT, SAMPLE_MODEL
from inference.model.bundle import read_verified
from textclf.data_options import DataOptions
from training.data.examples import Dataset, clusters_of, labels_of
from training.data.read import read
from training.data.split import sample
from training.labels.diversity import Matrix, draw_diverse, find_residuals
from training.labels.encoder import BundleEncoder
from training.labels.features import STATES, WORDS, Features, compute_features

HEADLINES = str(ROOT / "data" / "headlines.csv")
NO_OPTIONS = DataOptions()
TEST_SHARE = 1 / 3

Probabilities = NDArray[np.float64]
# Takes probabilities, features, how many rows to choose, and a seed.
Choice = Callable[[Probabilities, Matrix, int, int], list[int]]


def main(
    source: str = HEADLINES,
    /,
    *,
    data: Annotated[DataOptions, Parameter(name="*")] = NO_OPTIONS,
    features: Literal["encoder", "words"] = "encoder",
    max_rows: int = 6_000,
    start: int = 12,
    batch: int = 10,
    batches: int = 3,
    repeats: int = 20,
) -> None:
    """Measure what the choice of texts to label is worth.

    Args:
        source: A file of labelled texts.
        data: Which columns it has, and how it is written.
        features: What the logistic regression sees.
        max_rows: Use at most this many rows.
        start: How many labels are known at the start.
        batch: How many are asked for at a time.
        batches: How often.
        repeats: How many starts.
    """
    dataset = read(source, data.find_task(), data.read_options())
    dataset = sample(dataset, max_rows, seed=0)
    texts = [example.text for example in dataset.examples]
    encoder = BundleEncoder(read_verified(SAMPLE_MODEL)) if features == STATES else None
    kind = STATES if encoder else WORDS
    simulation = Simulation.make(dataset, compute_features(kind, texts, encoder))
    print(f"| chosen by | {' | '.join(f'{start + n * batch}' for n in range(batches + 1))} |")
    print(f"|---|{'---:|' * (batches + 1)}")
    for name, choose in CHOICES.items():
        runs = [simulation.run(choose, start, batch, batches, seed) for seed in range(repeats)]
        means, deviations = np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1)
        cells = [
            f"{mean:.1%} ± {deviation / repeats**0.5:.1%}"
            for mean, deviation in zip(means, deviations, strict=True)
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


@dataclass(frozen=True)
class Simulation:
    """Rows to choose from, and rows to test on."""

    features: Features
    labels: NDArray[np.int64]
    pool: NDArray[np.intp]
    test: NDArray[np.intp]

    @classmethod
    def make(cls, dataset: Dataset, features: Features) -> "Simulation":
        """Keep a share of the groups apart."""
        clusters = clusters_of(dataset.examples)
        order = np.random.default_rng(0).permutation(clusters.max() + 1)
        is_test = np.isin(clusters, order[: round(TEST_SHARE * len(order))])
        labels = labels_of(dataset.examples)
        return cls(features, labels, np.flatnonzero(~is_test), np.flatnonzero(is_test))

    def run(self, choose: Choice, start: int, batch: int, batches: int, seed: int) -> list[float]:
        """Return the accuracy at the start and after each batch."""
        unknown = np.random.default_rng(seed).permutation(self.pool)
        known, unknown = unknown[:start], unknown[start:]
        normal = self.features.normalize()
        accuracies = [self._test(known)]
        for number in range(batches):
            chosen = choose(
                self._predict(known, unknown), normal[unknown], batch, 100 * seed + number
            )
            known = np.concatenate([known, unknown[chosen]])
            unknown = np.delete(unknown, chosen)
            accuracies.append(self._test(known))
        return accuracies

    def _test(self, known: NDArray[np.intp]) -> float:
        predicted = self._predict(known, self.test).argmax(axis=1)
        return float((predicted == self.labels[self.test]).mean())

    def _predict(self, known: NDArray[np.intp], rows: NDArray[np.intp]) -> Probabilities:
        count = int(self.labels.max()) + 1
        return self.features.fit_predict(known, self.labels[known], count, rows)


def choose_at_random(shares: Probabilities, _: Matrix, count: int, seed: int) -> list[int]:
    """Choose rows at random."""
    return list(np.random.default_rng(seed).permutation(len(shares))[:count])


def choose_uncertain(shares: Probabilities, _: Matrix, count: int, __: int) -> list[int]:
    """Choose the rows whose two most probable labels are closest."""
    ordered = np.sort(shares, axis=1)
    return list(np.argsort(ordered[:, -1] - ordered[:, -2], kind="stable")[:count])


def choose_various(shares: Probabilities, features: Matrix, count: int, seed: int) -> list[int]:
    """Choose rows that differ, as `textclf labels next` does without labels and model."""
    return draw_diverse(np.ones((len(shares), 1)), features, count, seed)


def choose_next(shares: Probabilities, features: Matrix, count: int, seed: int) -> list[int]:
    """Choose rows as `textclf labels next` does."""
    return draw_diverse(find_residuals(shares), features, count, seed)


CHOICES: dict[str, Choice] = {
    "chance": choose_at_random,
    "uncertainty alone": choose_uncertain,
    "variety alone": choose_various,
    "`textclf labels next`": choose_next,
}

if __name__ == "__main__":
    cyclopts.run(main)
