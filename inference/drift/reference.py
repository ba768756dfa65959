"""The reference: distributions over the held-out texts, which drift is measured against."""

from pydantic import BaseModel, ConfigDict, ValidationError

from inference.model.bundle import BundleError, Manifest


class Reference(BaseModel):
    """Distributions over the held-out texts, as shares; ``Manifest.reference`` is its JSON."""

    model_config = ConfigDict(frozen=True)

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


def read_reference(manifest: Manifest) -> Reference:
    """Read the reference of a bundle.

    Raises:
        BundleError: The manifest has none, or one that this code does not understand.
    """
    try:
        return Reference.model_validate(manifest.reference)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in ("reference", *first["loc"]))
        raise BundleError(f"manifest.json: {where}: {first['msg']}") from None
