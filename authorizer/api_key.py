"""Check the API key of a request, for ``Access=api-key``: HTTP APIs have no API keys of their own.

API Gateway caches each answer of this Lambda authorizer for a minute. The authorizer in turn caches
the key from Secrets Manager for a minute, but looks it up again as soon as a request presents
another one, at most every five seconds. A rotated key therefore works within seconds, and the old
one for at most two more minutes.
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
CACHE_SECONDS = 60.0
PAUSE_SECONDS = 5.0  # between two look-ups, so that wrong keys do not each cause one

_client = boto3.client(
    "secretsmanager",
    config=Config(
        connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 3}
    ),
)
# In wall-clock time, because monotonic clocks stop while Lambda freezes the process.
_key, _read_at = b"", 0.0


def handler(event: Mapping[str, Any], context: object) -> dict[str, bool]:
    """Decide whether a request may pass; a "simple response" of payload format 2.0.

    Raises:
        ClientError: Secrets Manager cannot be read; API Gateway then answers 500.
    """
    del context
    return {"isAuthorized": _is_key((event.get("headers") or {}).get(HEADER, ""))}


def _is_key(presented: str) -> bool:
    if not 0 < len(presented) <= MAX_KEY:
        return False
    presented_bytes = presented.encode(errors="replace")
    return hmac.compare_digest(presented_bytes, _read_key(CACHE_SECONDS)) or hmac.compare_digest(
        presented_bytes, _read_key(PAUSE_SECONDS)
    )


def _read_key(max_age: float) -> bytes:
    """Return the key, as it was at most ``max_age`` seconds ago."""
    global _key, _read_at
    if time.time() - _read_at >= max_age:
        _key = _client.get_secret_value(SecretId=os.environ["SECRET_ID"])["SecretString"].encode()
        _read_at = time.time()
    return _key
