"""Read the headers and the body of an event, whichever door it came through."""

from base64 import b64decode
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from inference.api.problems import ProblemError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent


def get_header(event: "BaseProxyEvent", name: str) -> str | None:
    """Return the value of a header; several lines of it make one, as in RFC 9110, section 5.3.

    A load balancer that is set to send lists of values has no other headers.
    """
    last, length = None, len(name)
    headers: Mapping[str, str] = event.get("headers") or {}
    for key, value in headers.items():
        if len(key) == length and key.lower() == name:  # most names have another length
            last = value
    if last is not None:
        return last
    lists = event.get("multiValueHeaders")
    if not lists:
        return None
    values = [one for key, several in lists.items() if key.lower() == name for one in several]
    return ", ".join(values) if values else None


def read_body(event: "BaseProxyEvent", limit: int) -> bytes:
    """Return the body of an event.

    Raises:
        ProblemError: It has more bytes than the limit, or is not the base64 that it should be.
    """
    body = event.body or ""
    try:
        data = b64decode(body, validate=True) if event.is_base64_encoded else body.encode()
    except UnicodeEncodeError:  # half a surrogate pair in the event
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The body is not UTF-8.") from None
    except ValueError:
        detail = "The body is marked as base64 and is something else."
        raise ProblemError(HTTPStatus.BAD_REQUEST, detail) from None
    if len(data) > limit:
        detail = f"The body has {len(data)} bytes; at most {limit} are read."
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    return data
