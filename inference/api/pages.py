"""Serve static pages under a Content-Security-Policy that names the hashes of their content."""

import base64
import hashlib
import re
from functools import cache
from http import HTTPStatus
from pathlib import Path

from aws_lambda_powertools.event_handler.api_gateway import Response

WEB = Path(__file__).parent / "web"


def render_page(name: str) -> Response[str]:
    """Answer with a page of ``web/``, which may run its own script and style and nothing else."""
    html, policy = _read(name)
    headers: dict[str, str | list[str]] = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return Response(HTTPStatus.OK, "text/html; charset=utf-8", html, headers)


@cache
def _read(name: str) -> tuple[str, str]:
    """Read a page and derive its policy."""
    html = (WEB / name).read_text(encoding="utf-8")
    return html, (
        f"default-src 'none'; script-src {_hashes('script', html)}; "
        f"style-src {_hashes('style', html)}; img-src data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hashes(element: str, html: str) -> str:
    """List the CSP sources (https://www.w3.org/TR/CSP3/#grammardef-hash-source) of elements."""
    contents = re.findall(rf"<{element}>(.*?)</{element}>", html, re.DOTALL)
    digests = (hashlib.sha256(content.encode()).digest() for content in contents)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
