"""The sample requests, sent to a running system."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.local.checkout import SAMPLE_REQUESTS


@dataclass(frozen=True)
class Exchange:
    """A sample request and its answer."""

    file: Path
    request: str
    status: int
    answer: Any  # parsed JSON
    milliseconds: float


def send_samples(url: str) -> Iterator[Exchange]:
    """Send each file in ``sample-requests/`` to the API at a URL."""
    for file in sorted(SAMPLE_REQUESTS.glob("*.json")):
        body = file.read_bytes()
        started = time.perf_counter()
        status, answer = _post(f"{url}/predict", body)
        milliseconds = 1000 * (time.perf_counter() - started)
        yield Exchange(file, body.decode().strip(), status, json.loads(answer), milliseconds)


def _post(url: str, body: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(  # noqa: S310
        url, body, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
