"""Measure how often drift is reported although nothing has changed, by simulation.

    python -m benchmarks.false_alarms newsCorpora.csv

The argument is the file that the shipped model was trained on. A random half of the held-out
stories is the reference. Two kinds of window are compared with it: in the first table, its texts
are drawn one by one from the reference's half, so that they are independent; in the second, it
consists of whole stories of the other half, which is the worst that traffic can do.

The seed is fixed, so every run gives the same tables. Each rate comes from only 200 windows of 10
random halves: a true rate of 2 % may well appear as 0.5 % or 4 %.
"""

from collections.abc import Sequence

import cyclopts
import numpy as np
from numpy.typing import NDArray

from inference.drift.held_out import measure_reference
from inference.drift.stability import measure_features
from inference.local.checkout import SAMPLE_MODEL
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier, Prediction
from training.data.examples import clusters_of
from training.evaluate.head_to_head import load_held_out_rows
from training.evaluate.predictions import classify
from training.fit.record import TrainingRecord

REFERENCES = 10
WINDOWS = 20  # for each reference
SIZES = (1_000, 3_000, 10_000)


def main(data: str, /) -> None:
    """Measure how often drift is reported although nothing has changed.

    Args:
        data: The file that the shipped model was trained on.
    """
    bundle = read_verified(SAMPLE_MODEL)
    record = TrainingRecord.model_validate(bundle.manifest.training)
    rows = load_held_out_rows(record, data).test
    texts = [row.text for row in rows]
    predictions = classify(Classifier.load(bundle), texts)
    _, stories = np.unique(clusters_of(rows), return_inverse=True)
    members = [np.flatnonzero(stories == story) for story in range(stories.max() + 1)]
    effects = measure_reference(predictions, stories).design_effects
    print("design effects:", ", ".join(f"{name} {value:.1f}" for name, value in effects.items()))
    for whole in (False, True):
        print(f"\n{'Whole stories' if whole else 'Independent texts'}\n")
        print("| texts |", " | ".join(effects), "| any |")
        print("|---:|" + "---:|" * (len(effects) + 1))
        for size in SIZES:
            drifted = simulate(predictions, members, size, whole=whole)
            rates = [*drifted.mean(axis=0), drifted.any(axis=1).mean()]
            print(f"| {size:,} |", " | ".join(f"{rate:.1%}" for rate in rates), "|")


def simulate(
    predictions: Sequence[Prediction],
    members: Sequence[NDArray[np.int64]],
    size: int,
    *,
    whole: bool,
) -> NDArray[np.bool_]:
    """Simulate windows, and return which features drifted in each, shape (windows, features).

    Args:
        predictions: One for each held-out text.
        members: The texts of each story.
        size: The texts in a window.
        whole: Whether a window consists of whole stories.
    """
    random, drifted = np.random.default_rng(0), []
    for _ in range(REFERENCES):
        known, new = np.array_split(random.permutation(len(members)), 2)
        rows = np.concatenate([members[story] for story in known])
        stories = np.repeat(known, [len(members[story]) for story in known])
        half = measure_reference([predictions[row] for row in rows], stories)
        for _ in range(WINDOWS):
            if whole:
                picked = random.choice(new, size)  # enough, as each story has at least one text
                drawn = np.concatenate([members[story] for story in picked])[:size]
            else:
                drawn = random.choice(rows, size)
            features = measure_features(half, [predictions[row] for row in drawn])
            drifted.append([feature.drifted for feature in features])
    return np.array(drifted)


if __name__ == "__main__":
    cyclopts.run(main)
