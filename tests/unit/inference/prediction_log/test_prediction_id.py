import re

import pytest

from inference.prediction_log.prediction_id import MAX_LENGTH, PredictionId

VERSION = "0123456789abcdef"
REQUEST = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"


@pytest.mark.parametrize("request_id", [REQUEST, f"{REQUEST}.3"], ids=["request", "part"])
def test_an_id_names_the_item_of_its_prediction(request_id: str) -> None:
    # GIVEN the id of the prediction for a text WHEN a client sends it back
    id_ = PredictionId(VERSION, request_id, 12)
    found = PredictionId.parse(str(id_))
    # THEN it names the version and the item
    assert found == id_
    assert found.key == f"{request_id}#12"
    assert PredictionId.from_key(found.key, VERSION) == id_


def test_an_id_needs_no_escape_in_a_url() -> None:
    assert re.fullmatch(r"[A-Za-z0-9._~-]+", str(PredictionId(VERSION, REQUEST, 0)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        REQUEST,
        f"{VERSION}.{REQUEST}",
        f"{VERSION}.{REQUEST}.",
        f"{VERSION}.{REQUEST}.-1",
        f"{VERSION}.{REQUEST}.01",
        f"{VERSION}.{REQUEST}.1\n",
        f"{VERSION}.{REQUEST}.٣",
        f"{VERSION}.{REQUEST}#1.0",
        f"{VERSION.upper()}.{REQUEST}.0",
        f"../../{VERSION}.{REQUEST}.0",
        f"{VERSION}.{'a' * MAX_LENGTH}.0",
    ],
)
def test_what_no_prediction_can_have_is_no_id(text: str) -> None:
    assert PredictionId.parse(text) is None
