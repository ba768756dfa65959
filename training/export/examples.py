"""Make the examples of a manifest, with which a deployment is checked.

Anyone who may call the API can read the manifest, so the texts are no one's data. They need not be
of the model's task either: what counts is that they take every step from text to answer.
"""

from inference.model.bundle import Example
from inference.model.classifier import Classifier

TEXTS = (
    "Life in Mars might be a real possibility",
    "It was late, and the train was full. Nobody seemed to mind, though!",
    "Größe 42, €5bn & 日本 🎬 — don't ask",  # characters of other scripts, or unknown ones
    "It rained on Monday and on Tuesday. " * 30,  # more than the model reads, unless it reads a lot
)
DIGITS = 6


def make_examples(classifier: Classifier) -> tuple[Example, ...]:
    """Return what a classifier answers to each of the texts."""
    return tuple(
        Example(
            text=text,
            probabilities={
                label: round(share, DIGITS) for label, share in prediction.probabilities.items()
            },
        )
        for text, prediction in zip(TEXTS, classifier.predict(TEXTS), strict=True)
    )
