"""The API's requests, answers and errors (problem+json, RFC 9457)."""

import json
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from inference.runtime.settings import Settings

if TYPE_CHECKING:  # model.py imports it while the bundle comes
    from inference.model.classifier import Prediction

MAX_ERRORS = 100  # entries of one answer; Lambda sends no more than 6 MB
MAX_KEY = 100  # characters of a client's key that an entry repeats
RETRY_SECONDS = 5  # what a client is asked to wait while the model cannot be had
LISTED = "inputs"  # the name that takes one text or a list of them
# Something besides white space. Spelt out, for \s means other characters in JSON Schema (ECMA 262)
# than in what checks the pattern here.
NOT_BLANK = r"[^\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
BLANK = "String should have something besides white space"
NAMES = (LISTED, "text", "headline", "query", "review")  # the names that one text may have


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(examples=["inputs.3"])
    message: str = Field(examples=["String should have at least 1 character"])


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["The request is not valid."])
    errors: list[FieldError] | None = None


class Answer(BaseModel):
    """The label of a text and the probability of each label."""

    model_config = ConfigDict(extra="forbid")

    predicted_label: str = Field(examples=["Science"])
    confidence: float = Field(ge=0, le=1, description="The probability of the predicted label.")
    probabilities: dict[str, float] = Field(description="By label; they sum to 1.")
    truncated: bool = Field(description="Whether the text is longer than what was read of it.")


class OneAnswer(Answer):
    """The answer to one text."""

    model_version: str = Field(examples=["0123456789abcdef"])


class ManyAnswers(BaseModel):
    """The answers to a list of texts, in its order."""

    model_config = ConfigDict(extra="forbid")

    predictions: list[Answer]
    model_version: str = Field(examples=["0123456789abcdef"])


class Health(BaseModel):
    """That the function can answer, and with which model."""

    model_config = ConfigDict(extra="forbid")

    status: str = Field(examples=["ok"])
    model_version: str = Field(examples=["0123456789abcdef"])


class ProblemError(Exception):
    """An error the client is told about."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        """Say what is wrong in words; ``errors`` names the fields."""
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, list(errors)
        self.headers = headers or {}


@dataclass(frozen=True)
class Request:
    """The texts to classify, and whether they came as a list."""

    texts: list[str]
    listed: bool


class RequestReader:
    """Reads requests within the limits of the settings."""

    def __init__(self, settings: Settings) -> None:
        """Make the validators once."""
        text = Annotated[
            str,
            Field(min_length=1, max_length=settings.max_characters, strict=True, pattern=NOT_BLANK),
        ]
        texts = Annotated[list[text], Field(min_length=1, max_length=settings.max_texts)]
        self.text: TypeAdapter[str] = TypeAdapter(text)
        self.texts: TypeAdapter[list[str]] = TypeAdapter(texts)
        self._max_bytes = settings.max_body_bytes

    def read(self, event: APIGatewayProxyEventV2) -> Request:
        """The request in an event.

        Raises:
            ProblemError: it is not JSON, not a request, or too large.
        """
        _check_media_type(event.headers.get("content-type"))
        content = _parse(_body(event, self._max_bytes))
        if not isinstance(content, dict):
            raise _invalid([FieldError(field="", message="Input should be an object")])
        if len(content) != 1 or not set(content) <= set(NAMES):
            message = f"Input should have one of the fields {', '.join(NAMES)} and no other"
            wrong = [name for name in content if name not in NAMES] or list(content) or [LISTED]
            raise _invalid([FieldError(field=_shown(name), message=message) for name in wrong])
        name, value = next(iter(content.items()))
        try:
            if name == LISTED and isinstance(value, list):
                return Request(self.texts.validate_python(value), listed=True)
            return Request([self.text.validate_python(value)], listed=False)
        except ValidationError as error:
            raise _invalid(
                [
                    FieldError(
                        field=".".join(str(p) for p in (name, *one["loc"])),
                        message=BLANK if one["type"] == "string_pattern_mismatch" else one["msg"],
                    )
                    for one in error.errors(include_url=False, include_input=False)
                ]
            ) from None


def answer(request: Request, predictions: "Sequence[Prediction]", version: str) -> Response[str]:
    """One object for one text, a list for a list."""
    found = [
        Answer(
            predicted_label=prediction.label,
            confidence=prediction.confidence,
            probabilities=prediction.probabilities,
            truncated=prediction.truncated,
        )
        for prediction in predictions
    ]
    if request.listed:
        return json_response(ManyAnswers(predictions=found, model_version=version))
    return json_response(OneAnswer(**found[0].model_dump(), model_version=version))


def json_response(content: BaseModel) -> Response[str]:
    """A 200 answer."""
    return Response(HTTPStatus.OK, "application/json", content.model_dump_json())


def problem_response(problem: ProblemError) -> Response[str]:
    """An error answer; it never holds an exception's text."""
    content = Problem(
        title=problem.status.phrase,
        status=problem.status,
        detail=problem.detail,
        errors=problem.errors or None,
    )
    body = content.model_dump_json(exclude_none=True)
    return Response(problem.status, "application/problem+json", body, dict(problem.headers))


def _check_media_type(header: str | None) -> None:
    """JSON in UTF-8, by whatever case and parameters; JSON too if nothing is said."""
    message = Message()
    message["content-type"] = header or "application/json"
    kind, charset = message.get_content_type(), message.get_content_charset("utf-8")
    is_json = kind == "application/json" or kind.endswith("+json")
    if not is_json or charset not in ("utf-8", "utf8", "us-ascii"):
        detail = "Send the request as Content-Type: application/json."
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)


def _body(event: APIGatewayProxyEventV2, limit: int) -> bytes:
    body = event.body or ""
    try:
        data = b64decode(body, validate=True) if event.is_base64_encoded else body.encode()
    except ValueError:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None
    if len(data) > limit:
        detail = f"The body has {len(data)} bytes; at most {limit} are read."
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    return data


def _parse(data: bytes) -> Any:
    try:
        return json.loads(
            data.decode(), parse_constant=_no_constant, object_pairs_hook=_no_duplicates
        )
    except (ValueError, RecursionError):
        # ValueError is also what a number of 5,000 digits and bad UTF-8 raise.
        detail = "The body is not JSON, or an object in it has one key twice."
        raise ProblemError(HTTPStatus.BAD_REQUEST, detail) from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _shown(name: str) -> str:
    """A client's own key as it can be sent back: short, and without half a surrogate pair."""
    return name[:MAX_KEY].encode(errors="replace").decode()


def _invalid(errors: list[FieldError]) -> ProblemError:
    detail = "The request is not valid."
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors[:MAX_ERRORS])
