"""How often drift is found where there is none, by simulation on the shipped model's test rows.

    python -m benchmarks.false_alarms newsCorpora.csv data/other-years

Of the held-out stories, a random half is the reference. In the first table a window's texts are
drawn from that half one by one, so that they are independent; in the second a window holds story
after story of the other half, each whole, which is the worst that traffic can do.
"""

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference.drift.stability import features
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier, Prediction
from tests.conftest import SAMPLE_MODEL
from training.data.examples import clusters_of
from training.evaluate.head_to_head import classify, held_out
from training.export.bundle import reference

REFERENCES = 10
WINDOWS = 20  # of each reference
SIZES = (1_000, 3_000, 10_000)
HEADER = """| texts | label | confidence | tokens | unknown tokens | any |
|---:|---:|---:|---:|---:|---:|"""


def main() -> None:
    """Score, simulate, print."""
    manifest, version = read_verified(SAMPLE_MODEL)
    rows = held_out(manifest.training, *sys.argv[1:]).test
    texts = [row.text for row in rows]
    predictions = classify(Classifier(SAMPLE_MODEL, manifest), texts, version)
    _, stories = np.unique(clusters_of(rows), return_inverse=True)
    members = [np.flatnonzero(stories == story) for story in range(stories.max() + 1)]
    effects = reference(predictions, stories)["design_effects"]
    print("design effects:", ", ".join(f"{name} {value:.1f}" for name, value in effects.items()))
    for whole in (False, True):
        print(f"\n{'Whole stories' if whole else 'Independent texts'}\n\n{HEADER}")
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
    """Whether each feature drifted in each window, shape (windows, features)."""
    random, found = np.random.default_rng(0), []
    for _ in range(REFERENCES):
        known, new = np.array_split(random.permutation(len(members)), 2)
        rows = np.concatenate([members[story] for story in known])
        stories = np.repeat(known, [len(members[story]) for story in known])
        of_reference = reference([predictions[row] for row in rows], stories)
        for _ in range(WINDOWS):
            if whole:
                picked = random.choice(new, size)  # more than enough: each has a text or more
                drawn = np.concatenate([members[story] for story in picked])[:size]
            else:
                drawn = random.choice(rows, size)
            window = features(of_reference, [predictions[row] for row in drawn])
            found.append([feature.drifted for feature in window])
    return np.array(found)


if __name__ == "__main__":
    main()
