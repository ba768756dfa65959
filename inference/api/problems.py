"""Turn exceptions into error responses: problem+json, RFC 9457.

Nothing else decides what a client reads when something fails.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from aws_lambda_powertools.event_handler.api_gateway import Response
from msgspec import UNSET, Meta, Struct, UnsetType

from inference.api.loader import ModelUnavailableError
from inference.runtime.telemetry import logger

MAX_ERRORS = 100  # per response, since Lambda sends no more than 6 MB
MAX_NAME = 100  # how many characters of a client's own name an error repeats
RETRY_SECONDS = 5  # how long clients are asked to wait while the model is unavailable


class FieldError(Struct, kw_only=True):
    """What is wrong with one field of a request."""

    field: Annotated[str, Meta(examples=["inputs.3"])]
    message: Annotated[str, Meta(examples=["String should have at least 1 character"])]


class Problem(Struct, kw_only=True):
    """An error (RFC 9457)."""

    type: str = "about:blank"
    title: Annotated[str, Meta(examples=["Unprocessable Entity"])]
    status: Annotated[int, Meta(examples=[422])]
    detail: Annotated[str, Meta(examples=["The request is not valid."])]
    errors: list[FieldError] | UnsetType = UNSET

    def to_dict(self) -> dict[str, Any]:
        """Return the same as what ``json.dumps`` takes."""
        content: dict[str, Any] = msgspec.to_builtins(self)
        return content


class ProblemError(Exception):
    """An error whose text the client may read."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the error in words; ``errors`` names the fields that are wrong."""
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.errors, self.headers = list(errors), dict(headers or {})


def repeat(name: str) -> str:
    """Return a client's own name in a form that can be sent: short, and without lone surrogates."""
    return name[:MAX_NAME].encode(errors="replace").decode()


def to_response(error: Exception, request_id: str) -> Response[str]:
    """Answer a request that raised an exception."""
    problem = to_problem(error, request_id)
    body = msgspec.json.encode(describe(problem)).decode()
    return Response(problem.status, "application/problem+json", body, {**problem.headers})


def to_plain_response(error: Exception, request_id: str) -> Response[str]:
    """Answer a client of Hugging Face or SageMaker, which reads one string, ``error``."""
    problem = to_problem(error, request_id)
    wrong = [
        f"{one.field}: {one.message}" if one.field else one.message
        for one in problem.errors[:MAX_ERRORS]
    ]
    body = json.dumps({"error": f"{problem.detail} {'; '.join(wrong)}".rstrip()})
    return Response(problem.status, "application/json", body, {**problem.headers})


def describe(problem: ProblemError) -> Problem:
    """Return the body of an error response."""
    return Problem(
        title=problem.status.phrase,
        status=int(problem.status),
        detail=problem.detail,
        errors=problem.errors[:MAX_ERRORS] or UNSET,
    )


def to_problem(error: Exception, request_id: str) -> ProblemError:
    """Return what a client may read about an exception; the log gets the rest."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, ModelUnavailableError):
        return ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The model is not available yet.",
            headers={"Retry-After": str(RETRY_SECONDS)},
        )
    # A fault of the service: the log gets all the details, the client none.
    logger.exception("unhandled")
    return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, f"Request {request_id} failed.")
