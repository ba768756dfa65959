import pytest
from msgspec.structs import replace

from inference.drift.reference import read_reference
from inference.model.bundle import BundleError, Manifest, read_verified
from tests.conftest import SAMPLE_MODEL

MANIFEST = read_verified(SAMPLE_MODEL).manifest


def with_reference(reference: dict[str, object]) -> Manifest:
    return replace(MANIFEST, reference=reference)


def test_the_reference_of_the_shipped_model_survives_a_round_trip() -> None:
    reference = read_reference(MANIFEST)
    assert tuple(reference.labels) == MANIFEST.labels
    assert reference.to_json() == MANIFEST.reference


def test_a_bundle_without_design_effects_can_be_read() -> None:
    # GIVEN a bundle that was made before design effects were measured
    old = {name: value for name, value in MANIFEST.reference.items() if name != "design_effects"}
    # WHEN its reference is read THEN it has none
    assert read_reference(with_reference(old)).design_effects == {}


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({}, "reference: .* field `texts`"),
        ({"texts": "many"}, r"reference: .* `int`.* at `\$.texts`"),
    ],
)
def test_a_bundle_without_a_valid_reference_is_refused(
    reference: dict[str, object], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        read_reference(with_reference(reference))
