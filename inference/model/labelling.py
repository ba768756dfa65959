"""How a bundle gives a text several labels, or none: a probability and a threshold for each."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

Temperature = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Labelling(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What turns the outputs of a model into labels that each apply or not.

    A label's probability is the sigmoid of its output, divided by its temperature. A text has the
    label if that is at least the threshold. The probabilities need not sum to 1.
    """

    kind: Literal["multi"] = "multi"
    separator: Annotated[str, Meta(min_length=1)]  # between the labels of a text in one column
    temperatures: dict[str, Temperature]  # by label, as are the thresholds
    thresholds: dict[str, Share]

    def has_labels(self, labels: Sequence[str]) -> bool:
        """Whether there are values for exactly these labels."""
        return set(self.temperatures) == set(self.thresholds) == set(labels)

    def to_probabilities(self, logits: Sequence[float], labels: Sequence[str]) -> list[float]:
        """Return the probability of each label."""
        pairs = zip(logits, labels, strict=True)
        return [_sigmoid(logit / self.temperatures[label]) for logit, label in pairs]

    def choose(self, probabilities: dict[str, float]) -> tuple[str, ...]:
        """Return the labels that a text gets, the most probable first."""
        chosen = [
            label for label, share in probabilities.items() if share >= self.thresholds[label]
        ]
        return tuple(sorted(chosen, key=lambda label: -probabilities[label]))


def _sigmoid(value: float) -> float:
    # Two forms, because the exponential of a large number overflows.
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    exponential = math.exp(value)
    return exponential / (1 + exponential)
