"""Properties of every text and every body, checked on those that hypothesis generates."""

import json
import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from tests.conftest import TinyModel
from tests.integration.conftest import Call

# Any character except half a surrogate pair, which UTF-8 cannot represent.
characters = st.characters(exclude_categories=["Cs"])
lists_of_texts = st.lists(st.text(characters, max_size=200), min_size=1, max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
requests = st.dictionaries(st.sampled_from(["inputs", "text", "review", "other"]), values)
many = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def classifier(tiny_model: TinyModel) -> Classifier:
    return Classifier.load(read_verified(tiny_model.bundle))


@many
@given(texts=lists_of_texts)
@example(texts=["\0", "\u202e", "連銀が金利を据え置く", " "])
def test_every_text_gets_probabilities(classifier: Classifier, texts: list[str]) -> None:
    # GIVEN any texts WHEN they are classified THEN each has finite probabilities that sum to 1
    predictions = classifier.predict(texts)
    assert len(predictions) == len(texts)
    for prediction in predictions:
        shares = prediction.probabilities.values()
        assert all(math.isfinite(share) and share >= 0 for share in shares)
        assert sum(shares) == pytest.approx(1)
        assert prediction.confidence == max(shares)


@many
@given(texts=lists_of_texts)
def test_no_text_changes_the_answer_to_another(classifier: Classifier, texts: list[str]) -> None:
    # GIVEN any texts WHEN they are classified together and one by one
    together = classifier.predict(texts)
    alone = [classifier.predict([text])[0] for text in texts]
    # THEN the answers are the same, except for the last digits of a sum of floats
    for one, other in zip(together, alone, strict=True):
        assert one.truncated == other.truncated
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


@many
@given(body=st.binary(max_size=300) | requests.map(json.dumps).map(str.encode))
@example(body=b'{"inputs": NaN}')
@example(body=b'{"inputs": "a", "inputs": "b"}')
@example(body=b"[" * 100_000)
@example(body=b"\x1f\x8b")
@example(body=b"\xff\xfe{\0}")
@example(body=b'{"\\ud800": 1, "\\ud800": 2}')
def test_every_body_gets_a_clean_answer(call: Call, body: bytes) -> None:
    # GIVEN a running function WHEN any bytes are posted
    status, headers, answer = call("POST", "/predict", body)
    # THEN it answers or says what is wrong, and never fails
    assert status in (200, 400, 415, 422)
    if status == 200:
        assert answer["model_version"]
    else:
        assert headers["content-type"] == "application/problem+json"
        assert answer["status"] == status


@pytest.mark.parametrize("blank", [" ", "\t\r\n", "\x85", "\u2003\u3000", "\ufeff"])
def test_a_text_of_white_space_is_refused_in_words(call: Call, blank: str) -> None:
    status, _, answer = call("POST", "/predict", {"review": blank})
    assert status == 422
    assert answer["errors"][0]["message"] == "String should have something besides white space"
