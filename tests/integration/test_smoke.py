"""The smoke test against an API that works, and ones that do not."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from moto import mock_aws

from inference.local.front_door import served
from operations.smoke import SmokeError, main, smoke

VERSION = "0123456789abcdef"
HEALTH = {"status": "ok", "model_version": VERSION}
ANSWER = {
    "predicted_label": "Science",
    "confidence": 0.9,
    "probabilities": {"Science": 0.9, "Health": 0.1},
    "model_version": VERSION,
}


@contextmanager
def api(*answers: tuple[int, Any], key: str = "") -> Iterator[str]:
    """An API that gives these answers, the last one for ever, to those who have the key."""
    waiting = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if self.headers.get("x-api-key", "") != key:
                status, content = 403, {"message": "Forbidden"}
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - http.server names it

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        yield url


def test_an_api_that_answers_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with api((200, HEALTH), (200, ANSWER)) as url:
        assert main([f"{url}/"]) == 0
    assert capsys.readouterr().out == f"Science (90%), {VERSION}\n"


def test_the_header_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADER", "x-api-key: secret")
    with api((200, HEALTH), (200, ANSWER), key="secret") as url:
        assert main([url]) == 0


def test_an_api_that_is_not_there_yet_is_asked_again() -> None:
    with api((503, {}), (200, HEALTH), (200, ANSWER)) as url:
        assert smoke(url, {}, pause=0)["predicted_label"] == "Science"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([(500, {"title": "Internal Server Error"})], "answered 500"),
        ([(200, HEALTH), (200, {"predictions": []})], "answered no label"),
        ([(200, HEALTH), (200, ["Science"])], "no JSON object"),
        ([(200, {**HEALTH, "model_version": "f" * 16}), (200, ANSWER)], "two versions"),
    ],
)
def test_an_api_that_does_not_answer_fails(answers: list[tuple[int, Any]], message: str) -> None:
    with api(*answers) as url, pytest.raises(SmokeError, match=message):
        smoke(url, {}, pause=0)


def test_an_api_that_cannot_be_reached_fails() -> None:
    with pytest.raises(SmokeError, match="refused"):
        smoke("http://127.0.0.1:9", {}, pause=0)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An AWS account of moto's, in this process."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


def test_a_stack_says_where_its_api_is(account: None, capsys: pytest.CaptureFixture[str]) -> None:
    with api((200, HEALTH), (200, ANSWER)) as url:
        # GIVEN a stack whose output is the URL
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {"Url": {"Value": url}},
        }
        client = boto3.client("cloudformation")
        client.create_stack(StackName="stack", TemplateBody=json.dumps(template))
        # WHEN the stack is named THEN its API is asked
        assert main(["stack"]) == 0
    assert capsys.readouterr().out == f"Science (90%), {VERSION}\n"


def test_a_stack_without_an_api_is_one_clear_sentence(
    account: None, capsys: pytest.CaptureFixture[str]
) -> None:
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    client = boto3.client("cloudformation")
    client.create_stack(StackName="stack", TemplateBody=json.dumps(template))
    assert main(["stack"]) == 1
    assert "error: stack has no API" in capsys.readouterr().err


def test_a_stack_that_is_not_there_is_one_clear_sentence(
    account: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stack"]) == 1
    assert "stack does not exist" in capsys.readouterr().err


def test_somebody_must_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "URL or STACK" in capsys.readouterr().err
