"""When a label should not be acted on: the thresholds of a bundle, and what they decide."""

import math
from typing import Annotated, Literal

from msgspec import Meta, Struct

LOW_CONFIDENCE: Literal["low_confidence"] = "low_confidence"
OUT_OF_SCOPE: Literal["out_of_scope"] = "out_of_scope"
Abstention = Literal["low_confidence", "out_of_scope"]
ANSWERED: Literal["answered"] = "answered"
# What became of a text: its label can be acted on, or why not.
OUTCOMES = (ANSWERED, LOW_CONFIDENCE, OUT_OF_SCOPE)

Share = Annotated[float, Meta(gt=0, lt=1)]


class LabelThresholds(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The least confidence with which each label is right as often as was asked for."""

    precision: Share  # what was asked for
    confidence: Share  # that the validation rows give for it, for each label
    # By label; null for one that reaches the precision at no confidence. It always abstains.
    least: dict[str, Annotated[float, Meta(ge=0, le=1)] | None]


class OutOfScope(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How unlike the texts that a model knows a text may be.

    The score is high for texts unlike these. It is one of:

    - ``energy``: minus the logarithm of the sum of the exponentials of the logits (Liu et al.
      2020, https://arxiv.org/abs/2010.03759);
    - ``output``: the second output of the graph.
    """

    score: Literal["energy", "output"]
    limit: float  # of texts that count as known
    refused: Share  # of the validation rows, which are known, have a higher score

    def __post_init__(self) -> None:
        """Require a limit that scores can be compared with."""
        if not math.isfinite(self.limit):
            raise ValueError("limit is not finite")


def decide(
    label: str,
    confidence: float,
    score: float | None,
    thresholds: LabelThresholds | None,
    scope: OutOfScope | None,
) -> Abstention | None:
    """Return why to abstain from a label; None if it can be acted on."""
    if scope is not None and score is not None and score > scope.limit:
        return OUT_OF_SCOPE
    if thresholds is not None:
        least = thresholds.least[label]
        if least is None or confidence < least:
            return LOW_CONFIDENCE
    return None
