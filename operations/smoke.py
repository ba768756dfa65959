"""Ask a deployed API whether it answers.

    python -m operations.smoke https://API_ID.execute-api.REGION.amazonaws.com
    python -m operations.smoke text-classifier-dev    # the API of this stack

The environment variable HEADER may hold a header to send, such as ``x-api-key: KEY`` or
``authorization: Bearer TOKEN``.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from operations.stack import Stack

TEXT = "Life in Mars might be a real possibility"
ATTEMPTS = 5  # a new API's name and its first environment take a moment
PAUSE_SECONDS = 3.0
TIMEOUT_SECONDS = 35  # the API gives up after 30


class SmokeError(Exception):
    """The API does not answer as it should; the message says what it did."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask; returns the exit code."""
    targets = sys.argv[1:] if arguments is None else arguments
    if len(targets) != 1:
        print("usage: python -m operations.smoke URL or STACK", file=sys.stderr)
        return 2
    name, _, value = os.environ.get("HEADER", "").partition(":")
    try:
        answer = smoke(address(targets[0]).rstrip("/"), {name: value.strip()} if name else {})
    except (SmokeError, BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{answer['predicted_label']} ({answer['confidence']:.0%}), {answer['model_version']}")
    return 0


def address(target: str) -> str:
    """The URL of a target that is one, or a stack's name.

    Raises:
        SmokeError: the stack has no API.
    """
    if target.startswith(("https://", "http://")):
        return target
    outputs = Stack.find(boto3.client("cloudformation"), target).outputs
    if "Url" not in outputs:
        raise SmokeError(f"{target} has no API: its first deployment is not done")
    return outputs["Url"]


def smoke(url: str, headers: dict[str, str], pause: float = PAUSE_SECONDS) -> dict[str, Any]:
    """The API's answer to one text, which the model that /health names must have given.

    Raises:
        SmokeError: no such answer came, whatever the number of attempts.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            health = _ask(f"{url}/health", headers)
            answer = _ask(f"{url}/predict", headers, {"inputs": TEXT})
            break
        except SmokeError:
            if attempt == ATTEMPTS:
                raise
        time.sleep(pause)
    if answer.get("predicted_label") not in answer.get("probabilities", {}):
        raise SmokeError(f"{url}/predict answered no label")
    if answer.get("model_version") != health.get("model_version"):
        raise SmokeError(f"{url} answers with two versions of the model: a canary is under way")
    return answer


def _ask(url: str, headers: dict[str, str], body: Any = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - address gives only http(s)
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


if __name__ == "__main__":
    sys.exit(main())
