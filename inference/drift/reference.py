"""The reference: distributions over the held-out texts, which drift is measured against."""

from typing import Any

import msgspec
from msgspec import Struct

from inference.model.bundle import BundleError, Manifest


class Reference(Struct, frozen=True, kw_only=True):
    """Distributions over the held-out texts, as shares; ``Manifest.reference`` is its JSON."""

    texts: int
    labels: dict[str, float]  # in output order; of texts that may have several, the share of each
    confidence: tuple[float, ...]  # over equal parts of [0, 1]
    token_length: dict[int, float]  # by number of wordpieces
    unknown_tokens: float  # of all tokens
    # How many texts carry as much information as one independent text, by feature. The first
    # bundles lack them.
    design_effects: dict[str, float] = {}
    outcomes: dict[str, float] | None = None  # of models with thresholds
    several: bool | None = None  # true for models that may give a text several labels, or none

    def to_json(self) -> dict[str, Any]:
        """Return what ``json.dumps`` takes, without the fields that have no value."""
        content = msgspec.json.decode(msgspec.json.encode(self))
        return {name: value for name, value in content.items() if value is not None}


def read_reference(manifest: Manifest) -> Reference:
    """Read the reference of a bundle.

    Raises:
        BundleError: The manifest has none, or one that this code does not understand.
    """
    try:
        return msgspec.convert(manifest.reference, Reference, str_keys=True)
    except msgspec.ValidationError as error:
        raise BundleError(f"manifest.json: reference: {error}") from None
