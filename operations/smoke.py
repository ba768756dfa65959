"""Check that a deployed API answers."""

import hashlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from inference.errors import TextClassifierError

TEXT = "Life in Mars might be a real possibility"
# DNS and the first execution environment of a new API take a moment, and a function that was idle
# for weeks takes minutes until it is active again (see activation.py).
PAUSES = (5.0, 10.0, 20.0, 40.0, 80.0)  # seconds between two attempts
TIMEOUT_SECONDS = 35  # API Gateway itself gives up after 30
REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

Sign = Callable[[str, str, bytes | None, Mapping[str, str]], Mapping[str, str]]


class SmokeError(TextClassifierError):
    """The API does not answer as it should; the message says how it answers."""


class AccessError(SmokeError):
    """The API refuses the caller, which says nothing about whether it works."""

    exit_code = 4


class Answer(BaseModel):
    """The answer to one text, as far as the check looks at it."""

    predicted_label: str
    confidence: float
    probabilities: dict[str, float]
    model_version: str


def check_api(
    url: str,
    headers: Mapping[str, str],
    *,
    sign: Sign | None = None,
    expected: Collection[str] = (),
    pauses: Collection[float] = PAUSES,
) -> Answer:
    """Classify a text and check that the model named by ``/health`` answered.

    Args:
        url: The URL of the API.
        headers: Sent with each request.
        sign: Returns the headers with which AWS recognizes the caller, from the method, the URL,
            the body and the other headers.
        expected: The versions of the models that may answer; any if empty.
        pauses: Seconds between two attempts.

    Raises:
        AccessError: The API refuses the caller.
        SmokeError: The last attempt failed, its answer is wrong, or the URL is none.
    """
    _require_url(url)
    url = url.rstrip("/")
    health, answer = _ask_until_answered(url, headers, sign, pauses)
    if answer.predicted_label not in answer.probabilities:
        raise SmokeError(f"{url}/predict answered no label")
    if answer.model_version != health.get("model_version"):
        raise SmokeError(f"{url} answers with two versions of the model: a canary is in progress")
    if expected and answer.model_version not in expected:
        raise SmokeError(
            f"{url} answers with model {answer.model_version}, "
            f"but the version behind the alias has {' or '.join(sorted(expected))}"
        )
    return answer


def sign_with(session: Any) -> Sign:
    """Return a function that signs requests with the credentials of a boto3 session (SigV4).

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    credentials = session.get_credentials()
    if credentials is None:
        raise AccessError("there are no AWS credentials to sign the requests with")

    def sign(
        method: str, url: str, data: bytes | None, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        request = AWSRequest(method=method, url=url, data=data, headers=dict(headers))
        host = urlsplit(url).hostname or ""
        service = "lambda" if ".lambda-url." in host else "execute-api"
        SigV4Auth(credentials.get_frozen_credentials(), service, session.region_name).add_auth(
            request
        )
        return dict(request.headers.items())

    return sign


def parse_header(line: str) -> dict[str, str]:
    """Parse a line like ``x-api-key: KEY``; an empty one means no header.

    Raises:
        SmokeError: The line has no colon.
    """
    if not line:
        return {}
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise SmokeError("--header: write it as NAME: VALUE")  # without the line: it is a secret
    return {name.strip(): value.strip()}


def _require_url(url: str) -> None:
    """Refuse what no request can be sent to, before it is tried for minutes.

    Raises:
        SmokeError: It is no URL.
    """
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a wrong port, or half a bracket
        is_url = False
    if not is_url or not url.isprintable() or " " in url:
        raise SmokeError(
            f"{url!r} is no URL such as https://API_ID.execute-api.REGION.amazonaws.com"
        )


def _ask_until_answered(
    url: str, headers: Mapping[str, str], sign: Sign | None, pauses: Collection[float]
) -> tuple[dict[str, Any], Answer]:
    for pause in (*pauses, None):
        try:
            health = _ask(f"{url}/health", headers, sign)
            answer = _ask(f"{url}/predict", headers, sign, {"inputs": TEXT})
            break
        except AccessError:  # which no other attempt would change
            raise
        except SmokeError:
            if pause is None:
                raise
        time.sleep(pause)
    try:
        return health, Answer.model_validate(answer)
    except ValidationError as error:
        raise SmokeError(f"{url}/predict answered no label") from error


def _ask(
    url: str, headers: Mapping[str, str], sign: Sign | None, body: Any = None
) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **headers}
    if data:  # CloudFront signs no POST to a function URL without it
        sent["X-Amz-Content-SHA256"] = hashlib.sha256(data).hexdigest()
    if sign:
        sent = dict(sign("POST" if data else "GET", url, data, sent))
    request = urllib.request.Request(url, data, sent)  # noqa: S310 - the operator's own URL
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        message = f"{url} answered {error.code}: {_read_start(error)}"
        if error.code in REFUSED:
            raise AccessError(
                f"{message}: give --header, or use credentials that may call the API"
            ) from error
        raise SmokeError(message) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SmokeError(f"{url}: {error}") from error
    if not isinstance(answer, dict):
        raise SmokeError(f"{url} answered no JSON object")
    return answer


def _read_start(error: urllib.error.HTTPError) -> str:
    """Return the start of an error's body, or nothing if it breaks off."""
    try:
        return error.read(1000).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""
