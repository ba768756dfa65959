"""The checks of a deployment, against the real handler behind the real protocols of AWS.

A server on this machine speaks for Lambda and CodeDeploy, and another one, with TLS, for the API.
"""

import datetime
import importlib
import json
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from checks import deployment
from inference.model.bundle import read_verified
from inference.runtime.context import Context
from tests.conftest import SAMPLE_MODEL

Answer = dict[str, Any]
EVENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "hook-1"}
HOST, KEY = "api.example.com", "k" * 40
VERSION = read_verified(SAMPLE_MODEL).version


@dataclass
class Account:
    """What a Lambda and a CodeDeploy were asked, and how this Lambda answers."""

    handler: Callable[[Any, Any], Answer]
    errors: list[tuple[int, str]] = field(default_factory=list)  # Lambda's own, first
    change: Callable[[str, Any], Any] = lambda _, body: body  # what a handler answers
    delay: Callable[[], object] = lambda: None
    invoked: list[str] = field(default_factory=list)  # qualifiers
    reported: list[dict[str, str]] = field(default_factory=list)

    def invoke(self, function: str, qualifier: str, event: Any) -> tuple[int, dict[str, str], Any]:
        self.invoked.append(f"{function}:{qualifier}")
        if self.errors:
            status, code = self.errors.pop(0)
            return status, {"x-amzn-errortype": code}, {"message": code}
        self.delay()
        headers = {"x-amz-executed-version": "7"}
        try:
            answer = self.handler(event, Context("the-request-id"))
        except Exception as error:
            failed = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return 200, headers | {"x-amz-function-error": "Unhandled"}, failed
        if answer["statusCode"] == 200:
            changed = self.change(event["rawPath"], json.loads(answer["body"]))
            answer = {**answer, "body": json.dumps(changed)}
        return 200, headers, answer


def serve_account(account: Account) -> type[BaseHTTPRequestHandler]:
    """Make the handler of requests to Lambda and CodeDeploy."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            target = self.headers.get("x-amz-target", "")
            if target.endswith(".PutLifecycleEventHookExecutionStatus"):
                account.reported.append(body)
                self.respond(200, {}, {"lifecycleEventHookExecutionId": "hook-1"})
                return
            url = urlsplit(self.path)
            function = unquote(url.path.split("/")[3])
            self.respond(*account.invoke(function, parse_qs(url.query)["Qualifier"][0], body))

        def respond(self, status: int, headers: dict[str, str], body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None: ...

    return Handler


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serve on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Account]:
    """The shipped model, deployed as version 7."""
    environment = {
        "MODEL_URI": SAMPLE_MODEL.as_uri(),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "FUNCTION": "classifier",
        "QUALIFIER": "7",
        "MODEL_VERSION": VERSION,
        "LATENCY_MS": "5000",
        "RESERVED_CONCURRENCY": "-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "inference.api.handler", raising=False)
    account = Account(importlib.import_module("inference.api.handler").handler)
    with serving(serve_account(account)) as port:
        for service in ("LAMBDA", "CODEDEPLOY"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", f"http://127.0.0.1:{port}")
        monkeypatch.setattr(deployment, "PAUSE_SECONDS", 0.01)
        yield account


def check_new_version(account: Account, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Run the hook; returns the status that it reported, and the problem that it logged."""
    capsys.readouterr()
    deployment.before_traffic(EVENT, None)
    (report,) = account.reported
    assert (report["deploymentId"], report["lifecycleEventHookExecutionId"]) == ("d-1", "hook-1")
    log = json.loads(capsys.readouterr().out.splitlines()[-1])
    return report["status"], log["problem"]


# A new version


def test_a_version_that_answers_well_gets_traffic(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_new_version(account, capsys) == ("Succeeded", "")
    assert set(account.invoked) == {"classifier:7"}


def test_what_a_check_asks_is_not_recorded(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    # WHEN a version is checked
    deployment.before_traffic(EVENT, None)
    # THEN none of its answers is a prediction in the metrics or the log
    output = capsys.readouterr().out
    assert '"Predictions"' not in output
    assert '"predicted"' not in output
    # AND those to a client are
    event = deployment._to_event("POST", "/predict", {"inputs": "Fed holds rates"})
    event["requestContext"]["stage"] = "$default"
    account.handler(event, Context("the-request-id"))
    assert '"Predictions"' in capsys.readouterr().out


def without_examples(change: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """Answer as a bundle of schema 1, which has no examples to compare answers with."""
    return lambda path, body: change(
        path, {name: value for name, value in body.items() if name != "examples"}
    )


def drop_label(path: str, body: Any) -> Any:
    for prediction in body.get("predictions", []):
        prediction["probabilities"].popitem()
    return body


def double(path: str, body: Any) -> Any:
    for prediction in body.get("predictions", []):
        prediction["probabilities"] = {
            label: 2 * share for label, share in prediction["probabilities"].items()
        }
    return body


def choose_worst(path: str, body: Any) -> Any:
    for prediction in body.get("predictions", []):
        shares = prediction["probabilities"]
        prediction["predicted_label"] = min(shares, key=shares.__getitem__)
    return body


def lose_answers(path: str, body: Any) -> Any:
    return {**body, "predictions": []} if "predictions" in body else body


def answer_as_other_model(path: str, body: Any) -> Any:
    return {**body, "model_version": "f" * 16} if path == "/predict" else body


def be_other_model(path: str, body: Any) -> Any:
    return {**body, "model_version": "f" * 16}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (drop_label, "the labels are"),
        (double, "do not add up to 1"),
        (choose_worst, "is not the most probable label"),
        (lose_answers, "1 texts got 0 answers"),
        (answer_as_other_model, "the answers are of model ffff"),
        (be_other_model, f"the model is {'f' * 16}, not {VERSION}"),
    ],
)
def test_a_version_that_answers_wrongly_gets_no_traffic(
    account: Account,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[str, Any], Any],
    problem: str,
) -> None:
    account.change = without_examples(change)
    status, logged = check_new_version(account, capsys)
    assert status == "Failed"
    assert problem in logged


@pytest.mark.parametrize(("moved", "status"), [(0.0, "Succeeded"), (0.2, "Failed")])
def test_the_examples_of_the_manifest_are_compared(
    account: Account, capsys: pytest.CaptureFixture[str], moved: float, status: str
) -> None:
    # GIVEN a manifest with an example, from which the answer differs by so much
    event = deployment._to_event("POST", "/predict", {"inputs": "Fed holds rates"})
    exact = json.loads(account.handler(event, Context("id"))["body"])["probabilities"]
    first = next(iter(exact))
    example = {"text": "Fed holds rates", "probabilities": exact | {first: exact[first] + moved}}

    def add_example(path: str, body: Any) -> Any:
        return {**body, "examples": [example]} if path == "/model" else body

    account.change = add_example
    # THEN the version gets traffic or not
    assert check_new_version(account, capsys)[0] == status


def test_a_version_without_its_model_gets_no_traffic(
    account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a function whose model is not in the store
    monkeypatch.setenv("MODEL_URI", "file:///nowhere")
    monkeypatch.delitem(sys.modules, "inference.api.handler")
    account.handler = importlib.import_module("inference.api.handler").handler
    status, logged = check_new_version(account, capsys)
    assert status == "Failed"
    assert '"statusCode": 503' in logged


def test_a_version_that_crashes_gets_no_traffic(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(event: Any, context: Any) -> Answer:
        raise MemoryError("too large")

    account.handler = crash
    status, logged = check_new_version(account, capsys)
    assert status == "Failed"
    assert "the function failed" in logged


def test_a_slow_version_gets_no_traffic(
    account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATENCY_MS", "100")
    wait = threading.Event()
    account.delay = lambda: wait.wait(0.15)
    status, logged = check_new_version(account, capsys)
    assert status == "Failed"
    assert "not 100 at most" in logged


@pytest.mark.parametrize("code", sorted(deployment.NOT_READY))
def test_a_version_that_lambda_still_prepares_is_waited_for(
    account: Account, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    account.errors = [(409, code), (409, code)]
    assert check_new_version(account, capsys) == ("Succeeded", "")


def test_other_errors_of_lambda_are_not_waited_for(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.errors = [(403, "AccessDeniedException")]
    status, logged = check_new_version(account, capsys)
    assert (status, len(account.invoked)) == ("Failed", 1)
    assert "AccessDenied" in logged


def test_a_version_that_is_never_ready_gets_no_traffic(
    account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a clock on which the time is up at once
    account.errors = [(409, "ResourceNotReadyException")] * 3
    version = deployment.Version
    monkeypatch.setattr(deployment, "Version", lambda client, **_: version(client, 0))
    status, logged = check_new_version(account, capsys)
    assert status == "Failed"
    assert "ResourceNotReadyException" in logged


def test_a_service_that_is_switched_off_can_be_deployed(
    account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a function that Lambda lets nobody invoke, as ReservedConcurrency=0 wants
    monkeypatch.setenv("RESERVED_CONCURRENCY", "0")
    assert check_new_version(account, capsys) == ("Succeeded", "")
    assert not account.invoked


# The live version, and the API


@dataclass
class Api:
    """An API that lets requests through as API Gateway would."""

    access: str
    is_down: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)  # host and path

    def status_of(self, path: str, headers: Any) -> int:
        self.asked.append((headers["host"], path))
        if self.is_down:
            return 503
        if self.access == "jwt":
            return 401
        if self.access == "api-key":
            return 200 if headers.get("x-api-key") == KEY else 403
        if self.access == "iam":
            return 200 if self._is_signed(path, headers) else 403
        return 200

    def _is_signed(self, path: str, headers: Any) -> bool:
        request = AWSRequest("GET", f"https://{HOST}{path}")
        request.context["timestamp"] = headers.get("x-amz-date", "")
        request.headers["X-Amz-Date"] = headers.get("x-amz-date", "")
        signer = SigV4Auth(Credentials("test", "test"), "execute-api", "us-east-1")
        signature = signer.signature(
            signer.string_to_sign(request, signer.canonical_request(request)), request
        )
        return bool(headers.get("authorization", "").endswith(f"Signature={signature}"))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for the domain, which signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


@pytest.fixture
def api(
    request: pytest.FixtureRequest,
    account: Account,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Api]:
    """The API of the account; a test parametrizes how it is accessed."""
    api = Api(getattr(request, "param", "public"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(api.status_of(self.path, self.headers))
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None: ...

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with serving(Handler, tls) as port:
        environment = {
            "QUALIFIER": "live",
            "ACCESS": api.access,
            "SECRET_ID": "api-key",
            "SIGNED_FOR": "execute-api",
            "HOST": HOST,
            "ADDRESS": f"127.0.0.1:{port}",
            "HEALTH_PATH": "/news/health",
            "AWS_CA_BUNDLE": str(certificate),
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield api


@pytest.fixture
def _secret(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The API key in the Secrets Manager of moto."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", s3_endpoint)
    client = boto3.client("secretsmanager", region_name="us-east-1")
    client.create_secret(Name="api-key", SecretString=KEY)
    yield
    client.delete_secret(SecretId="api-key", ForceDeleteWithoutRecovery=True)


@pytest.mark.parametrize("api", ["public", "iam", "jwt"], indirect=True)
def test_a_live_version_behind_its_api_passes(account: Account, api: Api) -> None:
    deployment.on_schedule({}, None)
    assert api.asked == [(HOST, "/news/health")]


@pytest.mark.usefixtures("_secret")
@pytest.mark.parametrize("api", ["api-key"], indirect=True)
def test_the_check_has_the_api_key(account: Account, api: Api) -> None:
    deployment.on_schedule({}, None)
    assert api.asked


def test_the_check_asks_one_version_even_during_a_canary(account: Account, api: Api) -> None:
    deployment.on_schedule({}, None)
    assert account.invoked == ["classifier:live", "classifier:7"]


def test_an_api_that_is_down_fails_the_check(account: Account, api: Api) -> None:
    api.is_down = True
    with pytest.raises(deployment.CheckError, match="the API answered 503, not 200"):
        deployment.on_schedule({}, None)


@pytest.mark.parametrize("api", ["jwt"], indirect=True)
def test_an_api_that_lets_in_everybody_fails_the_check(account: Account, api: Api) -> None:
    api.access = "public"
    with pytest.raises(deployment.CheckError, match="the API answered 200, not 401"):
        deployment.on_schedule({}, None)


def test_an_api_that_nothing_answers_for_fails_the_check(
    account: Account, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADDRESS", "127.0.0.1:1")
    with pytest.raises(deployment.CheckError, match=r"cannot be reached at 127\.0\.0\.1:1"):
        deployment.on_schedule({}, None)


def test_a_certificate_of_another_domain_fails_the_check(
    account: Account, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST", "other.example.com")
    with pytest.raises(deployment.CheckError, match="certificate"):
        deployment.on_schedule({}, None)


def test_both_problems_are_told(account: Account, api: Api) -> None:
    api.is_down = True
    account.change = without_examples(double)
    with pytest.raises(deployment.CheckError) as failed:
        deployment.on_schedule({}, None)
    assert "do not add up to 1" in str(failed.value)
    assert "the API answered 503" in str(failed.value)
