"""The handler as Lambda calls it, over a local S3."""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mypy_boto3_s3 import S3Client

from inference.bundle import read_verified
from inference.local.emulator import Context
from inference.local.front_door import to_event
from tests.conftest import TinyModel
from training.publish import publish

LABELS = ["Business", "Science", "Entertainment", "Health"]

Call = Callable[..., tuple[int, dict[str, str], Any]]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Call]:
    """A function that starts a new execution environment and gives a way to call it."""

    def new(model_uri: str, **environment: str) -> Call:
        monkeypatch.setenv("MODEL_URI", model_uri)
        monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "cache"))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delitem(sys.modules, "inference.app", raising=False)
        handler = importlib.import_module("inference.app").handler

        def call(method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
            data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
            headers = [("content-type", "application/json")]
            answer = handler(to_event(method, path, headers, data), Context("the-request-id"))
            json.dumps(answer)  # Lambda can send it
            headers_out = {name.lower(): value for name, value in answer["headers"].items()}
            return answer["statusCode"], headers_out, json.loads(answer["body"])

        return call

    return new


@pytest.fixture
def uri(s3: S3Client, bucket: str, tiny_model: TinyModel) -> str:
    return publish(s3, tiny_model.bundle, f"s3://{bucket}/news")


@pytest.fixture
def call(start: Callable[..., Call], uri: str) -> Call:
    return start(uri)


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """All that was logged, in messages, extra fields and tracebacks."""
    return caplog.text + str([record.__dict__ for record in caplog.records])


def test_one_text_gets_one_answer(call: Call, tiny_model: TinyModel) -> None:
    # GIVEN a running function
    # WHEN it is asked about one text
    status, headers, answer = call("POST", "/predict", {"inputs": "Fed holds rates"})
    # THEN the answer has the form of the contract
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert list(answer["probabilities"]) == LABELS
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["confidence"] == max(answer["probabilities"].values())
    assert answer["probabilities"][answer["predicted_label"]] == answer["confidence"]
    assert answer["truncated"] is False
    assert answer["model_version"] == read_verified(tiny_model.bundle)[1]


def test_a_list_gets_answers_in_its_order(call: Call) -> None:
    # GIVEN texts of different lengths
    texts = ["Fed holds rates", "A film", "New vaccine halves hospital stays in a late trial"]
    # WHEN they are asked about together
    _, _, answer = call("POST", "/predict", {"inputs": texts})
    # THEN each answer is the one its text gets alone, but for int8's rounding of neighbours
    assert len(answer["predictions"]) == 3
    for text, found in zip(texts, answer["predictions"], strict=True):
        _, _, alone = call("POST", "/predict", {"inputs": text})
        assert found["probabilities"] == pytest.approx(alone["probabilities"], abs=0.05)


@pytest.mark.parametrize("name", ["text", "headline", "query", "review"])
def test_one_text_may_have_another_name(call: Call, name: str) -> None:
    _, _, expected = call("POST", "/predict", {"inputs": "Fed holds rates"})
    assert call("POST", "/predict", {name: "Fed holds rates"})[2] == expected


def test_a_long_text_is_cut_and_says_so(call: Call) -> None:
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
        ({"inputs": ["a"] * 129}, 413),
        ({"inputs": "a" * 10_001}, 413),
    ],
)
def test_a_bad_body_is_a_problem_of_the_client(call: Call, body: Any, status: int) -> None:
    # GIVEN a running function
    # WHEN it gets a body that is not a request
    found, headers, problem = call("POST", "/predict", body)
    # THEN the answer says so in the standard form
    assert found == problem["status"] == status
    assert headers["content-type"] == "application/problem+json"
    assert problem["title"]
    assert problem["detail"]


def test_limits_are_settings(start: Callable[..., Call], uri: str) -> None:
    call = start(uri, MAX_TEXTS="2", MAX_CHARACTERS="5")
    assert call("POST", "/predict", {"inputs": ["a", "b"]})[0] == 200
    assert call("POST", "/predict", {"inputs": ["a", "b", "c"]})[0] == 413
    assert call("POST", "/predict", {"inputs": "abcdef"})[0] == 413


def test_health_names_the_version(call: Call, tiny_model: TinyModel) -> None:
    version = read_verified(tiny_model.bundle)[1]
    assert call("GET", "/health") == (
        200,
        {"content-type": "application/json"},
        {"status": "ok", "model_version": version},
    )


def test_the_model_card_is_the_manifest(call: Call, tiny_model: TinyModel) -> None:
    manifest, version = read_verified(tiny_model.bundle)
    _, _, card = call("GET", "/model")
    assert card == {"model_version": version, **manifest.model_dump(mode="json")}


def test_an_unknown_route_is_not_found(call: Call) -> None:
    status, headers, problem = call("GET", "/nothing")
    assert status == problem["status"] == 404
    assert headers["content-type"] == "application/problem+json"


def test_a_fault_of_ours_is_logged_and_not_told(
    call: Call, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # GIVEN a classifier that fails with a secret in its message
    def fail(*_: object) -> None:
        raise RuntimeError("the secret")

    monkeypatch.setattr("inference.classifier.Classifier.predict", fail)
    # WHEN it is asked
    status, _, problem = call("POST", "/predict", {"inputs": "Fed holds rates"})
    # THEN the client gets the request's id, the log the cause
    assert status == 500
    assert "the secret" not in json.dumps(problem)
    assert "the-request-id" in problem["detail"]
    assert "the secret" in logged(caplog)


def test_no_text_is_logged(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    # GIVEN everything is logged
    caplog.set_level("DEBUG")
    # WHEN texts come in good requests and in bad ones
    call("POST", "/predict", {"inputs": "zebra crossing"})
    call("POST", "/predict", {"inputs": ["zebra crossing", 1]})
    # THEN the log holds none of them
    assert "zebra" not in logged(caplog)


def test_without_a_model_requests_get_503_until_it_is_there(
    start: Callable[..., Call],
    s3: S3Client,
    bucket: str,
    tiny_model: TinyModel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # GIVEN a function that starts before its model is published
    version = read_verified(tiny_model.bundle)[1]
    call = start(f"s3://{bucket}/later/{version}")
    # WHEN it is asked
    status, headers, problem = call("POST", "/predict", {"inputs": "Fed holds rates"})
    # THEN it says when to come back, and the log says why
    assert status == problem["status"] == 503
    assert int(headers["retry-after"]) > 0
    assert "NoSuchKey" in logged(caplog)
    assert call("GET", "/health")[0] == 503
    # WHEN the model is there THEN the next request is answered
    publish(s3, tiny_model.bundle, f"s3://{bucket}/later")
    assert call("POST", "/predict", {"inputs": "Fed holds rates"})[0] == 200


def test_a_model_once_loaded_stays(call: Call, s3: S3Client, bucket: str, tmp_path: Path) -> None:
    # GIVEN a warm function whose model vanishes from the store and from disk
    for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=entry["Key"])
    for file in (tmp_path / "cache").rglob("*.*"):
        file.unlink()
    # WHEN it is asked THEN it answers
    assert call("POST", "/predict", {"inputs": "Fed holds rates"})[0] == 200


def test_a_missing_setting_stops_the_function_with_its_name(
    start: Callable[..., Call],
) -> None:
    with pytest.raises(Exception, match="MODEL_URI is ''"):
        start("")
