"""Check a deployed classifier: each version before it gets traffic, and the live one on schedule.

Both checks invoke the function like API Gateway does, with the stage ``check``, which no client can
send; the function does not record what it answers to them.

This single file imports only what the Lambda runtime has. Its functions are no container images, so
they also work when the image does not, and Lambda never makes them inactive:
https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
"""

import http.client
import json
import math
import os
import socket
import ssl
import statistics
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

STAGE = "check"  # inference/api/handler.py knows it too
TEXT = "Life in Mars might be a real possibility"  # for bundles without examples
# int8 kernels differ from one kind of processor to the next; the shipped model by up to 0.02.
TOLERANCE = 0.05
WARM_CALLS = 5  # whose median is held against the limit
# Lambda prepares the version, or has no capacity at the moment. An image that was not invoked for
# weeks is prepared again: https://docs.aws.amazon.com/lambda/latest/dg/invocation-images.html
NOT_READY = {
    "CodeArtifactUserPendingException",
    "ResourceConflictException",
    "ResourceNotReadyException",
    "SnapStartNotReadyException",
    "TooManyRequestsException",
}
PAUSE_SECONDS = 5.0
TIMEOUT_SECONDS = 35  # for an answer; the function itself gives up after 28

Json = dict[str, Any]


class CheckError(Exception):
    """A check failed; the message says how."""


def before_traffic(event: Mapping[str, str], context: object) -> None:
    """Check the version that CodeDeploy is about to send traffic to, and report the result.

    If nothing is reported, CodeDeploy waits for an hour, so every failure is reported.
    https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html#appspec-hooks-lambda
    """
    del context
    problem = ""
    try:
        if os.environ["RESERVED_CONCURRENCY"] != "0":  # which switches the function off
            version = Version(_lambda_client(), patience=240)
            _require_model(version, os.environ["MODEL_VERSION"])
            _require_speed(version, float(os.environ["LATENCY_MS"]))
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    _log("version checked", version=os.environ["QUALIFIER"], problem=problem)
    boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status="Failed" if problem else "Succeeded",
    )


def on_schedule(event: Mapping[str, Any], context: object) -> None:
    """Check that the live version answers correctly, and that the API lets requests through to it.

    Raises:
        CheckError: One of the two failed. An alarm of the stack counts the errors of this function.
    """
    del event, context
    problems = []
    for check in (_check_live_version, _check_api):
        try:
            check()
        except Exception as error:
            problems.append(f"{type(error).__name__}: {error}")
    _log("deployment checked", problem="; ".join(problems))
    if problems:
        raise CheckError("; ".join(problems))


class Version:
    """A version of the classifier; an alias stands for the version that answers first."""

    def __init__(self, client: "LambdaClient", patience: float) -> None:
        """Read from the environment which version to ask.

        Args:
            client: It does not retry by itself.
            patience: Seconds to wait, in all, until Lambda is ready to run the version.
        """
        self._client, self._deadline = client, time.monotonic() + patience
        self._function, self._qualifier = os.environ["FUNCTION"], os.environ["QUALIFIER"]

    def ask(self, method: str, path: str, body: Json | None = None) -> Json:
        """Send a request to the function, and return the JSON of its answer.

        Raises:
            CheckError: The function crashed, or its answer is not a 200.
        """
        response = self._invoke(json.dumps(_to_event(method, path, body)).encode())
        payload = response["Payload"].read()
        if "FunctionError" in response:
            raise CheckError(f"{path}: the function failed: {_excerpt(payload)}")
        self._qualifier = response["ExecutedVersion"]
        answer = json.loads(payload)
        if answer.get("statusCode") != http.HTTPStatus.OK:
            raise CheckError(f"{path} answered {_excerpt(payload)}")
        content: Json = json.loads(answer["body"])
        return content

    def _invoke(self, payload: bytes) -> Any:
        while True:
            try:
                return self._client.invoke(
                    FunctionName=self._function, Qualifier=self._qualifier, Payload=payload
                )
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code not in NOT_READY or time.monotonic() > self._deadline:
                    raise
            time.sleep(PAUSE_SECONDS)


def _check_live_version() -> None:
    _require_model(Version(_lambda_client(), patience=30), None)


def _require_model(version: Version, expected: str | None) -> None:
    """Require that the model is loaded, and answers as its manifest says.

    Raises:
        CheckError: It does not.
    """
    manifest = version.ask("GET", "/model")
    if expected and manifest["model_version"] != expected:
        raise CheckError(f"the model is {manifest['model_version']}, not {expected}")
    examples = manifest.get("examples") or [{"text": TEXT}]
    answer = version.ask("POST", "/predict", {"inputs": [each["text"] for each in examples]})
    if answer["model_version"] != manifest["model_version"]:
        raise CheckError(f"the answers are of model {answer['model_version']}")
    if len(answer["predictions"]) != len(examples):
        raise CheckError(f"{len(examples)} texts got {len(answer['predictions'])} answers")
    for example, prediction in zip(examples, answer["predictions"], strict=True):
        _require_answer(prediction, manifest["labels"], example.get("probabilities"))


def _require_answer(answer: Json, labels: list[str], expected: dict[str, float] | None) -> None:
    """Compare an answer with an example, or else require that it makes sense.

    Raises:
        CheckError: It is wrong.
    """
    probabilities: dict[str, float] = answer["probabilities"]
    if list(probabilities) != labels:
        raise CheckError(f"the labels are {list(probabilities)}, not {labels}")
    if expected is None:  # a bundle from before the examples, when exactly one label applied
        if not math.isclose(sum(probabilities.values()), 1, abs_tol=0.01):
            raise CheckError(f"the probabilities {probabilities} do not add up to 1")
        if answer["predicted_label"] != max(labels, key=probabilities.__getitem__):
            raise CheckError(f"{answer['predicted_label']!r} is not the most probable label")
        return
    for label, share in expected.items():
        if not math.isclose(probabilities[label], share, abs_tol=TOLERANCE):
            raise CheckError(f"{label} got {probabilities[label]:.4f}, the example {share:.4f}")


def _require_speed(version: Version, limit_ms: float) -> None:
    """Require that a loaded model answers within a limit, measured from here.

    Raises:
        CheckError: It is slower.
    """
    seconds = []
    for _ in range(WARM_CALLS):
        started = time.monotonic()
        version.ask("POST", "/predict", {"inputs": TEXT})
        seconds.append(time.monotonic() - started)
    milliseconds = 1000 * statistics.median(seconds)
    if milliseconds > limit_ms:
        raise CheckError(f"an answer takes {milliseconds:.0f} ms, not {limit_ms:.0f} at most")


def _check_api() -> None:
    """Require that the API answers ``GET /health`` to those who may call it.

    No token can be had here for ``Access=jwt``, so there the API has to ask for one.

    Raises:
        CheckError: It answers something else.
    """
    path = os.environ["HEALTH_PATH"]
    status, body = _get(os.environ["HOST"], os.environ["ADDRESS"], path)
    wanted = 401 if os.environ["ACCESS"] == "jwt" else 200
    if status != wanted:
        raise CheckError(f"the API answered {status}, not {wanted}: {_excerpt(body)}")


def _get(host: str, address: str, path: str) -> tuple[int, bytes]:
    connection = _Connection(host, address)
    try:
        connection.request("GET", path, headers=_credentials(host, path))
        response = connection.getresponse()
        return response.status, response.read()
    except OSError as error:
        raise CheckError(f"the API cannot be reached at {address}: {error}") from error
    finally:
        connection.close()


def _credentials(host: str, path: str) -> dict[str, str]:
    """Return the headers that a request needs."""
    access = os.environ["ACCESS"]
    if access == "api-key":
        secrets = boto3.client("secretsmanager")
        return {
            "x-api-key": secrets.get_secret_value(SecretId=os.environ["SECRET_ID"])["SecretString"]
        }
    if access != "iam":
        return {}
    session = boto3.Session()
    credentials = session.get_credentials()
    if credentials is None:
        raise CheckError("this function has no credentials to sign with")
    request = AWSRequest("GET", f"https://{host}{path}")
    service = os.environ["SIGNED_FOR"]  # execute-api, or lambda for a function URL
    SigV4Auth(credentials, service, session.region_name).add_auth(request)
    return dict(request.headers.items())


class _Connection(http.client.HTTPSConnection):
    """A connection to one region of a domain: the name may lead to another region."""

    def __init__(self, host: str, address: str) -> None:
        self._tls = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
        super().__init__(host, timeout=TIMEOUT_SECONDS, context=self._tls)
        self._address = address

    def connect(self) -> None:
        name, _, port = self._address.partition(":")
        connected = socket.create_connection((name, int(port or 443)), self.timeout)
        self.sock = self._tls.wrap_socket(connected, server_hostname=self.host)


def _to_event(method: str, path: str, body: Json | None) -> Json:
    """Make the event of an HTTP API (payload format 2.0) for a request."""
    event: Json = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1"},
            "requestId": STAGE,
            "routeKey": f"{method} {path}",
            "stage": STAGE,
        },
        "isBase64Encoded": False,
    }
    return event if body is None else event | {"body": json.dumps(body)}


def _lambda_client() -> "LambdaClient":
    """Create a client that waits for the function, and invokes it only once a call."""
    config = Config(
        connect_timeout=5, read_timeout=TIMEOUT_SECONDS, retries={"total_max_attempts": 1}
    )
    return boto3.client("lambda", config=config)


def _excerpt(payload: bytes) -> str:
    return payload[:500].decode(errors="replace")


def _log(message: str, **fields: str) -> None:
    print(
        json.dumps({"level": "ERROR" if fields["problem"] else "INFO", "message": message} | fields)
    )
