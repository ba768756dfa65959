"""Check that a deployed API answers."""

import json
import time
import urllib.error
import urllib.request
from typing import Any

from pydantic import BaseModel, ValidationError

from inference.errors import TextClassifierError

TEXT = "Life in Mars might be a real possibility"
ATTEMPTS = 5  # DNS and the first execution environment of a new API take a moment
PAUSE_SECONDS = 3.0
TIMEOUT_SECONDS = 35  # API Gateway itself gives up after 30


class SmokeError(TextClassifierError):
    """The API does not answer as it should; the message says how it answers."""


class Answer(BaseModel):
    """The answer to one text, as far as the check looks at it."""

    predicted_label: str
    confidence: float
    probabilities: dict[str, float]
    model_version: str


def check_api(url: str, headers: dict[str, str], pause: float = PAUSE_SECONDS) -> Answer:
    """Classify a text and check that the model named by ``/health`` answered.

    Args:
        url: The URL of the API.
        headers: Sent with each request.
        pause: Seconds between two attempts.

    Raises:
        SmokeError: The last attempt failed, or its answer is wrong.
    """
    url = url.rstrip("/")
    health, answer = _ask_until_answered(url, headers, pause)
    if answer.predicted_label not in answer.probabilities:
        raise SmokeError(f"{url}/predict answered no label")
    if answer.model_version != health.get("model_version"):
        raise SmokeError(f"{url} answers with two versions of the model: a canary is in progress")
    return answer


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


def _ask_until_answered(
    url: str, headers: dict[str, str], pause: float
) -> tuple[dict[str, Any], Answer]:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            health = _ask(f"{url}/health", headers)
            answer = _ask(f"{url}/predict", headers, {"inputs": TEXT})
            break
        except SmokeError:
            if attempt == ATTEMPTS:
                raise
        time.sleep(pause)
    try:
        return health, Answer.model_validate(answer)
    except ValidationError as error:
        raise SmokeError(f"{url}/predict answered no label") from error


def _ask(url: str, headers: dict[str, str], body: Any = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - the URL is the operator's own
        url, data, {"Content-Type": "application/json", **headers}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise SmokeError(f"{url} answered {error.code}: {error.read(1000).decode()}") from error
    except (OSError, ValueError) as error:
        raise SmokeError(f"{url}: {error}") from error
    if not isinstance(answer, dict):
        raise SmokeError(f"{url} answered no JSON object")
    return answer
