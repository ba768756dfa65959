"""A bundle as a teacher: a model that is deployed helps to teach its successor.

It answers with the probabilities that it serves. They are not kept, as those of trained models are:
it is fast, and nothing but its files belongs in its folder.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from training.fit.process_group import Group
from training.fit.teacher_answers import Answers

CHUNK = 1000  # texts between two steps of the progress bar
LEAST_PROBABILITY = 1e-9


def ask_bundle(folder: Path, texts: Sequence[str], group: Group) -> Answers:
    """Return the logits whose probabilities a bundle serves; it has no states.

    Each process of a group computes all of them, because nothing is kept where the others could
    read it.

    Raises:
        BundleError: the bundle is incomplete or altered.
    """
    classifier = Classifier.load(read_verified(folder))
    if group.leads:
        print(f"teacher {folder.name}, bundle {classifier.version}, answers {len(texts):,} texts")
    probabilities = np.empty((len(texts), len(classifier.labels)))
    quiet: dict[str, Any] = {} if group.leads else {"disable": True}
    with tqdm(total=len(texts), desc=folder.name, unit="text", **quiet) as bar:
        for start in range(0, len(texts), CHUNK):
            predictions = classifier.predict(texts[start : start + CHUNK])
            for row, prediction in enumerate(predictions, start):
                probabilities[row] = list(prediction.probabilities.values())
            bar.update(len(predictions))
    clipped = np.clip(probabilities, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    logits = np.log(clipped)
    if classifier.labelling is not None:  # of a label that applies or not: the odds
        logits -= np.log1p(-clipped)
    return Answers(logits.astype(np.float32), np.empty((len(texts), 0), np.float16))
