"""Checking an API that works, and some that do not."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.client import parse_headers
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from moto import mock_aws

from inference.local.front_door import serve_in_thread
from operations.smoke import PAUSES, TEXT, AccessError, SmokeError, check_api
from textclf.app import main

VERSION = "0123456789abcdef"
HEALTH = {"status": "ok", "model_version": VERSION}
ANSWER = {
    "predicted_label": "Science",
    "confidence": 0.9,
    "probabilities": {"Science": 0.9, "Health": 0.1},
    "model_version": VERSION,
}


@contextmanager
def api(
    *answers: tuple[int, Any], key: str = "", received: list[Message] | None = None
) -> Iterator[str]:
    """Serve these answers in turn, then the last one again, to requests with the key."""
    remaining = list(answers)
    headers: list[Message] = [] if received is None else received

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers.append(self.headers)
            status, content = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            if self.headers.get("x-api-key", "") != key:
                status, content = 403, {"message": "Forbidden"}
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name comes from http.server

        def log_message(self, *_: object) -> None:
            """Keep the output of the tests clean."""

    with serve_in_thread(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        yield url


def test_a_working_api_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with api((200, HEALTH), (200, ANSWER)) as url:
        assert main(["smoke", f"{url}/"]) == 0
    assert capsys.readouterr().out == f"Science (90%), {VERSION}\n"


def test_the_header_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADER", "x-api-key: secret")
    with api((200, HEALTH), (200, ANSWER), key="secret") as url:
        assert main(["smoke", url]) == 0


def test_the_header_comes_from_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADER", "x-api-key: wrong")
    with api((200, HEALTH), (200, ANSWER), key="secret") as url:
        assert main(["smoke", url, "--header", "x-api-key: secret"]) == 0


def test_an_empty_header_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADER", "")  # as `make smoke` sets it
    with api((200, HEALTH), (200, ANSWER)) as url:
        assert main(["smoke", url]) == 0


def test_an_api_that_is_not_ready_yet_is_asked_again() -> None:
    with api((503, {}), (200, HEALTH), (200, ANSWER)) as url:
        assert check_api(url, {}, pauses=[0] * 4).predicted_label == "Science"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([(500, {"title": "Internal Server Error"})], "answered 500"),
        ([(200, HEALTH), (200, {"predictions": []})], "answered no label"),
        ([(200, HEALTH), (200, {**ANSWER, "predicted_label": "Sport"})], "answered no label"),
        ([(200, HEALTH), (200, ["Science"])], "no JSON object"),
        ([(200, {**HEALTH, "model_version": "f" * 16}), (200, ANSWER)], "two versions"),
    ],
)
def test_an_api_with_wrong_answers_fails(answers: list[tuple[int, Any]], message: str) -> None:
    with api(*answers) as url, pytest.raises(SmokeError, match=message):
        check_api(url, {}, pauses=[0] * 4)


@contextmanager
def hangs_up(*answers: bytes) -> Iterator[str]:
    """Serve these raw answers in turn, then the last one again, and close each connection."""
    remaining = list(answers)

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            # An unread body would reset the connection before the client has read the answer.
            self.rfile.read(int(parse_headers(self.rfile).get("Content-Length", 0)))
            self.wfile.write(remaining.pop(0) if len(remaining) > 1 else remaining[0])

    with serve_in_thread(ThreadingTCPServer(("127.0.0.1", 0), Handler)) as url:
        yield url


CUT = b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"status"'
CUT_ERROR = b"HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nno"


@pytest.mark.parametrize(
    ("answer", "message"),
    [(CUT, "IncompleteRead"), (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH-2.0"), (CUT_ERROR, "answered 502")],
)
def test_an_api_whose_answer_is_cut_short_fails(answer: bytes, message: str) -> None:
    with hangs_up(answer) as url, pytest.raises(SmokeError, match=message):
        check_api(url, {}, pauses=[0] * 2)


def test_an_answer_that_was_cut_short_is_asked_for_again() -> None:
    # GIVEN an API that drops the first connection midway
    whole = [
        f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        for body in (json.dumps(HEALTH), json.dumps(ANSWER))
    ]
    # WHEN it is checked THEN the next attempt counts
    with hangs_up(CUT, *whole) as url:
        assert check_api(url, {}, pauses=[0]).predicted_label == "Science"


def test_an_unreachable_api_fails() -> None:
    with pytest.raises(SmokeError, match="refused"):
        check_api("http://127.0.0.1:9", {}, pauses=[0] * 4)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An AWS account simulated by moto in this process."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


def deploy_stack(url: str, uri: str, access: str = "public") -> None:
    """Create a stack with this API and a function whose alias serves this model."""
    role = boto3.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]
    lambda_ = boto3.client("lambda")
    lambda_.create_function(
        FunctionName="function",
        PackageType="Image",
        Code={"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/x@sha256:" + "0" * 64},
        Role=role["Arn"],
        Environment={"Variables": {"MODEL_URI": uri}},
    )
    version = lambda_.publish_version(FunctionName="function")["Version"]
    lambda_.create_alias(FunctionName="function", Name="live", FunctionVersion=version)
    template = {
        "Parameters": {"Access": {"Type": "String"}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"Url": {"Value": url}, "Function": {"Value": "function"}},
    }
    boto3.client("cloudformation").create_stack(
        StackName="stack",
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": "Access", "ParameterValue": access}],
    )


MODEL_URI = f"s3://models/news/{VERSION}"


def test_the_name_of_a_stack_stands_for_its_api(
    account: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with api((200, HEALTH), (200, ANSWER)) as url:
        # GIVEN a stack that outputs the URL
        deploy_stack(url, MODEL_URI)
        # WHEN the stack is checked THEN its API answers
        assert main(["smoke", "stack"]) == 0
    assert capsys.readouterr().out == f"Science (90%), {VERSION}\n"


def test_an_api_with_another_model_than_the_one_behind_the_alias_fails(
    account: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with api((200, HEALTH), (200, ANSWER)) as url:
        deploy_stack(url, "s3://models/news/fedcba9876543210")
        assert main(["smoke", "stack"]) == 1
    assert "but the version behind the alias has fedcba9876543210" in capsys.readouterr().err


def test_requests_to_an_api_for_identities_of_aws_are_signed(
    account: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a stack with Access=iam
    received: list[Message] = []
    with api((200, HEALTH), (200, ANSWER), received=received) as url:
        deploy_stack(url, MODEL_URI, access="iam")
        # WHEN it is checked
        assert main(["smoke", "stack"]) == 0
    # THEN each request is signed for API Gateway, and botocore verifies the signatures
    sent = (("GET", "/health"), ("POST", "/predict"))
    for headers, (method, path) in zip(received, sent, strict=True):
        data = json.dumps({"inputs": TEXT}).encode() if method == "POST" else b""
        # which CloudFront, in front of a function URL, insists on for a body
        digest = hashlib.sha256(data).hexdigest() if data else None
        assert headers["X-Amz-Content-SHA256"] == digest
        signed = AWSRequest(method=method, url=url + path, data=data)
        names = re.findall(r"SignedHeaders=([^,]+)", headers["Authorization"])[0].split(";")
        for name in names:
            if name != "host":
                signed.headers[name] = headers[name]
        assert "/us-east-1/execute-api/aws4_request" in headers["Authorization"]
        signed.context["timestamp"] = headers["X-Amz-Date"]
        credentials = boto3.Session().get_credentials()
        assert credentials
        signer = SigV4Auth(credentials, "execute-api", "us-east-1")
        text = signer.string_to_sign(signed, signer.canonical_request(signed))
        assert headers["Authorization"].endswith(f"Signature={signer.signature(text, signed)}")


@pytest.mark.parametrize("status", [401, 403])
def test_an_api_that_refuses_the_caller_is_no_broken_one(
    status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN an API that wants another key WHEN it is checked THEN the exit code says so, at once
    with api((status, {"message": "Forbidden"}), (200, HEALTH)) as url:
        assert main(["smoke", url]) == AccessError.exit_code == 4
    assert "give --header" in capsys.readouterr().err


def test_an_idle_function_has_minutes_to_become_active() -> None:
    assert sum(PAUSES) >= 150


def test_a_stack_without_an_api_is_an_error_of_one_line(
    account: None, capsys: pytest.CaptureFixture[str]
) -> None:
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    client = boto3.client("cloudformation")
    client.create_stack(StackName="stack", TemplateBody=json.dumps(template))
    assert main(["smoke", "stack"]) == 1
    assert "error: stack has no API" in capsys.readouterr().err


def test_a_missing_stack_is_an_error_of_one_line(
    account: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["smoke", "stack"]) == 1
    assert "stack does not exist" in capsys.readouterr().err
