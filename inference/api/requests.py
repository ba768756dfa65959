"""Parse and validate the requests to classify texts."""

from base64 import b64decode
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from pydantic import Field, TypeAdapter, ValidationError

from inference.api.json_body import decode_json, require_uncompressed
from inference.api.problems import FieldError, ProblemError, repeat
from inference.runtime.settings import Settings

LIST_FIELD = "inputs"  # the field that takes one text or a list of texts
FIELDS = (LIST_FIELD, "text", "headline", "query", "review")  # the fields that one text may be in
# Any character except white space. Spelled out, because \s in JSON Schema (ECMA 262) covers other
# characters than in the library that checks the pattern here.
NOT_BLANK = r"[^\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
BLANK = "String should have something besides white space"


@dataclass(frozen=True)
class PredictRequest:
    """The texts to classify, and whether they came as a list."""

    texts: list[str]
    is_list: bool


class RequestParser:
    """Parses requests within the limits of the settings."""

    def __init__(self, settings: Settings) -> None:
        """Build the validators, which are the source of the OpenAPI schema too."""
        text = Annotated[
            str,
            Field(min_length=1, max_length=settings.max_characters, strict=True, pattern=NOT_BLANK),
        ]
        texts = Annotated[list[text], Field(min_length=1, max_length=settings.max_texts)]
        self.text: TypeAdapter[str] = TypeAdapter(text)
        self.texts: TypeAdapter[list[str]] = TypeAdapter(texts)
        self._max_bytes = settings.max_body_bytes

    def parse(self, event: APIGatewayProxyEventV2) -> PredictRequest:
        """Parse the request in an event.

        Raises:
            ProblemError: It is not JSON, not valid or too large.
        """
        _require_json(event.headers.get("content-type"))
        require_uncompressed(event.headers.get("content-encoding"))
        name, value = _the_only_field(decode_json(_read_body(event, self._max_bytes)))
        try:
            if name == LIST_FIELD and isinstance(value, list):
                return PredictRequest(self.texts.validate_python(value), is_list=True)
            return PredictRequest([self.text.validate_python(value)], is_list=False)
        except ValidationError as error:
            raise _invalid(_field_errors(name, error)) from None


def _require_json(header: str | None) -> None:
    """Accept JSON in UTF-8, however it is spelled; a missing header counts as JSON."""
    message = Message()
    message["content-type"] = header or "application/json"
    media_type, charset = message.get_content_type(), message.get_content_charset("utf-8")
    is_json = media_type == "application/json" or media_type.endswith("+json")
    if not is_json or charset not in ("utf-8", "utf8", "us-ascii"):
        sent = repeat(str(message["content-type"]))
        detail = f"The Content-Type is {sent}. Send application/json, in UTF-8."
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)


def _read_body(event: APIGatewayProxyEventV2, limit: int) -> bytes:
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


def _the_only_field(content: Any) -> tuple[str, Any]:
    """Return the name and the value of the object's only field.

    Raises:
        ProblemError: It is not an object, or has no known field or other fields too.
    """
    if not isinstance(content, dict):
        raise _invalid([FieldError(field="", message="Input should be an object")])
    unknown = [name for name in content if name not in FIELDS]
    if len(content) != 1 or unknown:
        message = f"Input should have one of the fields {', '.join(FIELDS)} and no other"
        wrong = unknown or list(content) or [LIST_FIELD]
        raise _invalid([FieldError(field=repeat(name), message=message) for name in wrong])
    ((name, value),) = content.items()
    return name, value


def _field_errors(name: str, error: ValidationError) -> list[FieldError]:
    return [
        FieldError(
            field=".".join(str(part) for part in (name, *one["loc"])),
            message=BLANK if one["type"] == "string_pattern_mismatch" else one["msg"],
        )
        for one in error.errors(include_url=False, include_input=False)
    ]


def _invalid(errors: list[FieldError]) -> ProblemError:
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "The request is not valid.", errors)
