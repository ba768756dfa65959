"""The handler as Lambda calls it, over a local S3."""

import gzip
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from inference.model.bundle import MANIFEST, read_verified
from inference.runtime.context import Context
from inference.runtime.payload import to_event
from tests.conftest import TinyModel
from tests.integration.conftest import Call

LABELS = ["Business", "Science", "Entertainment", "Health"]


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return everything that was logged: messages, extra fields and tracebacks."""
    return caplog.text + str([record.__dict__ for record in caplog.records])


def test_one_text_gets_one_answer(call: Call, tiny_model: TinyModel) -> None:
    # GIVEN a running function
    # WHEN it classifies one text
    status, headers, answer = call("POST", "/predict", {"inputs": "Fed holds rates"})
    # THEN the answer has the form of the contract
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert list(answer["probabilities"]) == LABELS
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["confidence"] == max(answer["probabilities"].values())
    assert answer["probabilities"][answer["predicted_label"]] == answer["confidence"]
    assert answer["truncated"] is False
    assert answer["model_version"] == read_verified(tiny_model.bundle).version


def test_a_list_is_answered_in_its_order(call: Call) -> None:
    # GIVEN texts of different lengths
    texts = ["Fed holds rates", "A film", "New vaccine halves hospital stays in a late trial"]
    # WHEN they are classified together
    _, _, answer = call("POST", "/predict", {"inputs": texts})
    # THEN each gets the answer that it gets alone
    assert len(answer["predictions"]) == 3
    for text, together in zip(texts, answer["predictions"], strict=True):
        _, _, alone = call("POST", "/predict", {"inputs": text})
        assert together["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-5)


@pytest.mark.parametrize("name", ["text", "headline", "query", "review"])
def test_one_text_may_be_in_another_field(call: Call, name: str) -> None:
    _, _, expected = call("POST", "/predict", {"inputs": "Fed holds rates"})
    assert call("POST", "/predict", {name: "Fed holds rates"})[2] == expected


def test_the_answer_to_a_long_text_says_that_it_was_truncated(call: Call) -> None:
    status, _, answer = call("POST", "/predict", {"inputs": "inflation " * 100})
    assert (status, answer["truncated"]) == (200, True)


@pytest.mark.parametrize("text", ["日本の株価", "🎬", "Ünïcödé €5bn", "x", "a\tb\nc", "עברית"])
def test_text_of_any_script_is_classified(call: Call, text: str) -> None:
    assert call("POST", "/predict", {"inputs": text})[0] == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"inputs": NaN}', 400),
        (b"[" * 100_000, 400),
        (b'{"inputs": ' + b"9" * 5000 + b"}", 400),
        (b'{"inputs": "\xff"}', 400),
        ({"inputs": ""}, 422),
        ({"inputs": " \n"}, 422),
        ({"inputs": []}, 422),
        ({"inputs": ["a", 1]}, 422),
        ({"inputs": ["a", " "]}, 422),
        ({"inputs": None}, 422),
        ({"text": "a", "inputs": "b"}, 422),
        ({"words": "a"}, 422),
        ({"text": ["a"]}, 422),
        (["a"], 422),
        ({}, 422),
        ({"inputs": ["a"] * 129}, 422),
        ({"inputs": "a" * 10_001}, 422),
        (b'{"inputs": "a", "inputs": "b"}', 400),
        (b'{"inputs": "half a pair: \\ud800"}', 422),
        ({"inputs": ["a" * 9_999] * 101}, 413),
    ],
)
def test_a_bad_body_is_refused_as_a_problem(call: Call, body: Any, status: int) -> None:
    # GIVEN a running function
    # WHEN it gets a body that is not a valid request
    actual, headers, problem = call("POST", "/predict", body)
    # THEN the answer says so in the standard form
    assert actual == problem["status"] == status
    assert headers["content-type"] == "application/problem+json"
    assert problem["title"]
    assert problem["detail"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "The body is empty."),
        (b'{"inputs": "a" 1}', "expecting ',' delimiter at line 1, column 16."),
        (b'{"inputs": NaN}', "contains NaN"),
        (b'{"inputs": "a", "inputs": "b"}', 'has the key "inputs" twice'),
        (b'{"inputs": "\xff"}', "byte 0xff at offset 12"),
        ('{"inputs": "a"}'.encode("utf-16"), "seems to be in UTF-16"),
    ],
)
def test_a_body_that_is_not_json_is_refused_with_the_reason(
    call: Call, body: bytes, detail: str
) -> None:
    status, _, problem = call("POST", "/predict", body)
    assert status == 400
    assert detail in problem["detail"]


def test_a_byte_order_mark_is_skipped(call: Call) -> None:
    assert call("POST", "/predict", b'\xef\xbb\xbf{"inputs": "a"}')[0] == 200


def test_a_compressed_body_is_refused_with_the_name_of_its_encoding(call: Call) -> None:
    status, headers, problem = call("POST", "/predict", gzip.compress(b'{"inputs": "a"}'))
    assert (status, headers["accept-encoding"]) == (415, "identity")
    assert "gzip" in problem["detail"]


def test_every_wrong_field_is_named(call: Call) -> None:
    # GIVEN a list with two bad texts WHEN it is sent THEN both are named by their positions
    _, _, problem = call("POST", "/predict", {"inputs": ["good", "", 7]})
    assert [error["field"] for error in problem["errors"]] == ["inputs.1", "inputs.2"]
    # AND so is every unknown field
    _, _, problem = call("POST", "/predict", {"inputs": "good", "more": 1, "words": 2})
    assert [error["field"] for error in problem["errors"]] == ["more", "words"]


@pytest.mark.parametrize(
    "media_type",
    ["APPLICATION/JSON", "application/json; charset=UTF-8", "application/vnd.api+json"],
)
def test_json_is_recognised_however_it_is_spelled(call: Call, media_type: str) -> None:
    assert call("POST", "/predict", {"inputs": "a"}, media_type)[0] == 200


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"],
)
def test_other_media_types_are_refused(call: Call, media_type: str) -> None:
    assert call("POST", "/predict", {"inputs": "a"}, media_type)[0] == 415


@pytest.mark.parametrize(("method", "path"), [("GET", "/predict"), ("DELETE", "/health")])
def test_the_answer_to_a_wrong_method_lists_the_right_ones(
    call: Call, method: str, path: str
) -> None:
    status, headers, problem = call(method, path)
    assert status == problem["status"] == 405
    assert headers["allow"] == ("POST, OPTIONS" if path == "/predict" else "GET, HEAD, OPTIONS")


def test_options_lists_the_methods(call: Call) -> None:
    status, headers, _ = call("OPTIONS", "/predict")
    assert (status, headers["allow"]) == (204, "POST, OPTIONS")


def test_head_answers_like_get(call: Call) -> None:
    assert call("HEAD", "/health")[0] == 200


def test_other_sites_may_not_call_the_api_unless_a_setting_allows_it(
    call: Call, start: Callable[..., Call], uri: str
) -> None:
    assert "access-control-allow-origin" not in call("POST", "/predict", {"inputs": "a"})[1]
    opened = start(uri, CORS_ORIGIN="*")
    assert opened("POST", "/predict", {"inputs": "a"})[1]["access-control-allow-origin"] == "*"
    assert opened("OPTIONS", "/predict")[0] == 204


@pytest.mark.parametrize("event", [{}, {"source": "aws.events"}, {"warmer": True}])
def test_a_warmer_gets_the_state_of_the_model(call: Call, event: dict[str, Any]) -> None:
    handler = sys.modules["inference.api.handler"].handler
    assert handler(event, Context("id")) == {"status": "ok"}


def test_the_openapi_document_shows_limits_and_statuses(
    start: Callable[..., Call], uri: str
) -> None:
    # GIVEN a function with other limits
    call = start(uri, MAX_TEXTS="7", MAX_CHARACTERS="77")
    # WHEN its document is read
    _, _, document = call("GET", "/openapi.json")
    # THEN it has them, and every status that a prediction can have
    assert document["openapi"].startswith("3.1")
    request = json.dumps(document["components"]["schemas"]["Request"])
    assert '"maxItems": 7' in request
    assert '"maxLength": 77' in request
    statuses = set(document["paths"]["/predict"]["post"]["responses"])
    assert statuses == {"200", "400", "413", "415", "422", "429", "500", "503"}


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_may_run_only_its_own_script(call: Call, path: str) -> None:
    status, headers, html = call("GET", path)
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert html.startswith("<!doctype html>")


def test_limits_are_settings(start: Callable[..., Call], uri: str) -> None:
    call = start(uri, MAX_TEXTS="2", MAX_CHARACTERS="5")
    assert call("POST", "/predict", {"inputs": ["a", "b"]})[0] == 200
    assert call("POST", "/predict", {"inputs": ["a", "b", "c"]})[0] == 422
    assert call("POST", "/predict", {"inputs": "abcdef"})[0] == 422


def test_health_names_the_version(call: Call, tiny_model: TinyModel) -> None:
    version = read_verified(tiny_model.bundle).version
    assert call("GET", "/health") == (
        200,
        {"content-type": "application/json"},
        {"status": "ok", "model_version": version},
    )


def test_the_model_card_is_the_manifest(call: Call, tiny_model: TinyModel) -> None:
    version = read_verified(tiny_model.bundle).version
    manifest = json.loads((tiny_model.bundle / MANIFEST).read_text())
    _, _, card = call("GET", "/model")
    assert card == {"model_version": version, **manifest}


def test_an_unknown_route_is_not_found(call: Call) -> None:
    status, headers, problem = call("GET", "/nothing")
    assert status == problem["status"] == 404
    assert headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/health/", "/news/health", "/news/v1/health/"])
def test_a_resource_is_found_behind_a_prefix_and_before_a_slash(call: Call, path: str) -> None:
    assert call("GET", path)[0] == 200
    assert call("DELETE", path)[1]["allow"] == "GET, HEAD, OPTIONS"
    assert call("OPTIONS", path)[0] == 204


def test_the_api_works_behind_the_mapping_of_a_custom_domain(call: Call) -> None:
    # GIVEN events as API Gateway sends them for api.example.com/news
    handler = sys.modules["inference.api.handler"].handler

    def send(method: str, path: str, route: str, **parameters: str) -> Any:
        event = to_event(method, path, [("Host", "api.example.com")], b'{"inputs": "a"}')
        event |= {"routeKey": f"{method} {route}", "pathParameters": parameters}
        return handler(event, Context("id"))

    # WHEN they are answered THEN they get the resources, the page at the mapping's own path too
    assert json.loads(send("POST", "/news/predict", "/predict")["body"])["predicted_label"]
    assert send("GET", "/news", "/")["body"].startswith("<!doctype html>")
    assert send("GET", "/news/health", "/{page+}", page="health")["statusCode"] == 200
    assert send("GET", "/news/nothing", "/{page+}", page="nothing")["statusCode"] == 404
    # AND the document says where the API is
    document = json.loads(
        send("GET", "/news/openapi.json", "/{page+}", page="openapi.json")["body"]
    )
    assert document["servers"] == [{"url": "/news"}]
    assert "servers" not in call("GET", "/openapi.json")[2]


def test_a_fault_of_the_service_is_logged_but_not_shown(
    call: Call, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # GIVEN a classifier that fails with a secret in its message
    def fail(*_: object) -> None:
        raise RuntimeError("the secret")

    monkeypatch.setattr("inference.model.classifier.Classifier.predict", fail)
    # WHEN it is called
    status, _, problem = call("POST", "/predict", {"inputs": "Fed holds rates"})
    # THEN the client gets the id of the request, and the log the cause
    assert status == 500
    assert "the secret" not in json.dumps(problem)
    assert "the-request-id" in problem["detail"]
    assert "the secret" in logged(caplog)


def test_no_text_is_logged(
    call: Call, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a log with every detail
    caplog.set_level("DEBUG")
    # WHEN texts arrive in valid and in invalid requests
    call("POST", "/predict", {"inputs": "zebra crossing"})
    call("POST", "/predict", {"inputs": ["zebra crossing", 1]})
    # THEN the log holds none of them
    printed = capsys.readouterr().out
    assert '"predicted"' in printed
    assert "zebra" not in logged(caplog) + printed


def test_a_wrong_setting_stops_the_function_and_is_named(start: Callable[..., Call]) -> None:
    with pytest.raises(Exception, match="MODEL_URI is ''"):
        start("")
