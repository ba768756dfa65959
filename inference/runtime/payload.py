"""HTTP requests as Lambda events and handlers' answers as HTTP responses.

Both follow payload format 2.0 of API Gateway's HTTP API
(https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
"""

import base64
import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

SOURCE_IP = "127.0.0.1"


class HttpResponse(NamedTuple):
    """A response as it goes over the wire."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def to_event(
    method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes
) -> dict[str, Any]:
    """Turn an HTTP request into the event that API Gateway would send.

    Raises:
        ValueError: The target of the request is no URL or path; the message says so.
    """
    path, query = _split(target)
    merged = _group((name.lower(), value) for name, value in headers)
    cookies = merged.pop("cookie", [])
    if merged.pop("transfer-encoding", None):  # the body comes here in one piece
        merged["content-length"] = [str(len(body))]
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(path),
        "rawQueryString": query,
        "headers": {name: ",".join(values) for name, values in merged.items()},
        "requestContext": _request_context(method, unquote(path), merged),
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = [part.strip() for line in cookies for part in line.split(";")]
    if query:
        parameters = _group(parse_qsl(query, keep_blank_values=True))
        event["queryStringParameters"] = {name: ",".join(v) for name, v in parameters.items()}
    if body:
        try:
            event["body"] = body.decode("utf-8")
        except UnicodeDecodeError:
            event["body"] = base64.b64encode(body).decode()
            event["isBase64Encoded"] = True
    return event


def from_answer(answer: Any) -> HttpResponse:
    """Turn a handler's answer into the response that API Gateway would send.

    An answer without a status code is the JSON body of a 200.
    """
    if not isinstance(answer, Mapping) or "statusCode" not in answer:
        headers = [("content-type", "application/json")]
        return HttpResponse(200, headers, json.dumps(answer).encode())
    headers = [(name, str(value)) for name, value in (answer.get("headers") or {}).items()]
    headers += [("set-cookie", cookie) for cookie in answer.get("cookies") or []]
    text = answer.get("body") or ""
    body = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
    return HttpResponse(int(answer["statusCode"]), headers, body)


def _split(target: str) -> tuple[str, str]:
    """Split the target of a request into path and query (RFC 9112, section 3.2).

    Raises:
        ValueError: It is neither a path nor a URL.
    """
    if target.startswith("/") or target == "*":
        path, _, query = target.partition("?")
        return path, query
    try:
        url = urlsplit(target)
        is_url = url.scheme in ("http", "https") and bool(url.hostname)
    except ValueError:  # such as http://[
        is_url = False
    if not is_url:
        raise ValueError("The target of the request is neither a path nor a URL.")
    return url.path or "/", url.query


def _request_context(method: str, path: str, headers: Mapping[str, list[str]]) -> dict[str, Any]:
    now = time.time()
    return {
        "accountId": "000000000000",
        "apiId": "local",
        "domainName": headers.get("host", [SOURCE_IP])[0],
        "http": {
            "method": method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": SOURCE_IP,
            "userAgent": headers.get("user-agent", [""])[0],
        },
        "requestId": str(uuid.uuid4()),
        "routeKey": "$default",
        "stage": "$default",
        "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now * 1000),
    }


def _group(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Collect the values of each name, in their order."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values
