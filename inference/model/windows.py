"""Long texts in overlapping windows: what a bundle says about them.

A model reads a few hundred wordpieces at once. A longer text is read in windows of that length,
which overlap, so that a sentence at a border is whole in one of them. The model answers each
window, and the logits of a text's windows are pooled into those of the text, see
`inference/model/pooling.py`.
"""

import math
from typing import Annotated, Literal, Self

from msgspec import Meta, Struct

from inference.errors import TextClassifierError

MEAN, MAX = 0.0, math.inf  # sharpness


class SlowTextsError(TextClassifierError):
    """The windows of some texts take longer than they may."""


class Windows(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """How a text that is longer than a model reads at once is read, and answered."""

    most: Annotated[int, Meta(ge=1)]  # windows of a text that are read
    overlap: Annotated[int, Meta(ge=0)]  # wordpieces that two neighbours share
    pooling: Literal["mean", "max", "weighted"]
    weight: Annotated[float, Meta(gt=0)] | None = None  # if "weighted"

    def __post_init__(self) -> None:
        """Require the weight of the pooling that has one."""
        if (self.pooling == "weighted") != (self.weight is not None):
            raise ValueError("a weight is that of weighted pooling")

    @classmethod
    def make(cls, most: int, overlap: int, sharpness: float = MEAN) -> Self:
        """Describe windows whose logits are pooled with this sharpness, see `pool`."""
        if sharpness in (MEAN, MAX):
            return cls(most=most, overlap=overlap, pooling="max" if sharpness else "mean")
        return cls(most=most, overlap=overlap, pooling="weighted", weight=sharpness)

    @property
    def sharpness(self) -> float:
        """The sharpness of the pooling, see `pool`."""
        return MAX if self.pooling == "max" else self.weight or MEAN

    def describe(self) -> str:
        """Say how the windows of a text are pooled."""
        return self.pooling if self.weight is None else f"{self.pooling} ({self.weight:g})"
