import pytest

from inference.drift.reference import read_reference
from inference.model.bundle import BundleError, Manifest, read_verified
from tests.conftest import SAMPLE_MODEL

MANIFEST = read_verified(SAMPLE_MODEL).manifest


def with_reference(reference: dict[str, object]) -> Manifest:
    return MANIFEST.model_copy(update={"reference": reference})


def test_the_reference_of_the_shipped_model_survives_a_round_trip() -> None:
    reference = read_reference(MANIFEST)
    assert tuple(reference.labels) == MANIFEST.labels
    assert reference.model_dump(mode="json", exclude_none=True) == MANIFEST.reference


def test_a_bundle_without_design_effects_can_be_read() -> None:
    # GIVEN a bundle that was made before design effects were measured
    old = {name: value for name, value in MANIFEST.reference.items() if name != "design_effects"}
    # WHEN its reference is read THEN it has none
    assert read_reference(with_reference(old)).design_effects == {}


@pytest.mark.parametrize(
    ("reference", "message"),
    [({}, "reference.texts: Field required"), ({"texts": "many"}, "reference.texts: .* integer")],
)
def test_a_bundle_without_a_valid_reference_is_refused(
    reference: dict[str, object], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        read_reference(with_reference(reference))
