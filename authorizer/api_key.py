"""The Lambda authorizer of the access mode api-key: HTTP APIs have no keys of their own.

API Gateway asks it about each key it has not asked about for a minute. The key it compares
with is in Secrets Manager; it keeps it for as long again, but looks a new one up at once when
another is shown to it. So a rotated key is good at once, and the old one for two minutes more.
"""

import hmac
import os
import time
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

HEADER = "x-api-key"
MAX_KEY = 256  # characters
KEEP_SECONDS = 60.0
# Between two look-ups, so that whoever sends wrong keys does not make one of each.
PAUSE_SECONDS = 5.0

_client = boto3.client(
    "secretsmanager",
    config=Config(
        connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 3}
    ),
)
_key, _read_at = b"", 0.0  # by the clock on the wall: others stop while the process is frozen


def handler(event: Mapping[str, Any], context: object) -> dict[str, bool]:
    """The simple response of payload format 2.0: whether the request may pass.

    Raises:
        Exception: the key cannot be looked up; API Gateway then answers 500.
    """
    del context
    return {"isAuthorized": _is_key((event.get("headers") or {}).get(HEADER, ""))}


def _is_key(shown: str) -> bool:
    if not 0 < len(shown) <= MAX_KEY:
        return False
    shown_bytes = shown.encode(errors="replace")
    return hmac.compare_digest(shown_bytes, _current(KEEP_SECONDS)) or hmac.compare_digest(
        shown_bytes, _current(PAUSE_SECONDS)
    )


def _current(age: float) -> bytes:
    """The key, as it was at most ``age`` seconds ago."""
    global _key, _read_at
    if time.time() - _read_at >= age:
        _key = _client.get_secret_value(SecretId=os.environ["SECRET_ID"])["SecretString"].encode()
        _read_at = time.time()
    return _key
