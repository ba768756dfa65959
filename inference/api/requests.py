"""Parse and validate the requests to classify texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Annotated, Any, Literal

from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from inference.api.bodies import get_header, read_body
from inference.api.json_body import decode_json, require_uncompressed
from inference.api.problems import FieldError, ProblemError, repeat
from inference.model.explanation import MAX_CHARACTERS, MAX_TEXTS
from inference.runtime.settings import Settings

LIST_FIELD = "inputs"  # the field that takes one text or a list of texts
UTF8_NAMES = ("utf-8", "utf8", "us-ascii")
FIELDS = (LIST_FIELD, "text", "headline", "query", "review")  # the fields that one text may be in
# Any character except white space. Spelled out, because \s in JSON Schema (ECMA 262) covers other
# characters than in the library that checks the pattern here.
NOT_BLANK = r"[^\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
BLANK = "String should have something besides white space"


def _require_integer(value: Any) -> Any:
    """Refuse what pydantic would convert, except 2.0, which is an integer in JSON Schema."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | None):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


# How many labels an answer has.
TopK = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_require_integer)]


class Options(BaseModel):
    """What a request may say besides its texts."""

    model_config = ConfigDict(extra="forbid", strict=True)

    on_error: Literal["request", "item"] = Field(
        default="request",
        description="What a wrong text of a list is answered with: an error for the whole "
        "request, or one in the text's own place.",
    )
    truncate: bool = Field(
        default=False,
        description="Whether the beginning of a text that is too long is read, "
        "instead of refusing the text.",
    )
    top_k: TopK = Field(
        default=None, description="How many of the most probable labels `probabilities` has."
    )
    explain: bool = Field(
        default=False,
        description="Whether the answer says what each word contributes to the label "
        f"(`explanation`). For at most {MAX_TEXTS} texts of {MAX_CHARACTERS:,} characters.",
    )


@dataclass(frozen=True)
class Text:
    """A text to classify."""

    content: str
    is_cut: bool = False  # whether only its beginning is left


@dataclass(frozen=True)
class PredictRequest:
    """The texts to classify, in their order, and how to answer them."""

    items: list[Text | FieldError]  # an error in the place of each text that is wrong
    is_list: bool
    top_k: int | None = None
    explain: bool = False

    @property
    def texts(self) -> list[str]:
        """The texts to classify, without those that are wrong."""
        return [item.content for item in self.items if isinstance(item, Text)]


class RequestParser:
    """Parses requests within the limits of the settings."""

    def __init__(self, settings: Settings) -> None:
        """Build the validator of a text, from which the OpenAPI schema comes, too."""
        self.text = _make_text_validator(settings.max_characters)
        self._explained_text = _make_text_validator(min(settings.max_characters, MAX_CHARACTERS))
        self.max_texts = settings.max_texts
        self._max_characters = settings.max_characters
        self._max_bytes = settings.max_body_bytes

    def parse(self, event: BaseProxyEvent) -> PredictRequest:
        """Parse the request in an event.

        Raises:
            ProblemError: It is not JSON, not valid or too large.
        """
        return self.read(self.decode(event), self.max_texts)

    def decode(self, event: BaseProxyEvent) -> Any:
        """Decode the JSON in the body of an event.

        Raises:
            ProblemError: It is something else or too large.
        """
        require_json(get_header(event, "content-type"))
        return decode_json(self.read_body(event))

    def read_body(self, event: BaseProxyEvent) -> bytes:
        """Return the body of an event.

        Raises:
            ProblemError: It is compressed, too large, or not the base64 that it should be.
        """
        require_uncompressed(get_header(event, "content-encoding"))
        return read_body(event, self._max_bytes)

    def read(
        self,
        content: Any,
        max_texts: int | None = None,
        list_fields: Sequence[str] = (LIST_FIELD,),
    ) -> PredictRequest:
        """Validate the content of a request.

        Args:
            content: Decoded JSON.
            max_texts: In a list; by default, any number.
            list_fields: The fields that take a list of texts.

        Raises:
            ProblemError: It is not valid.
        """
        name, value, options = _split(content, dict.fromkeys([*FIELDS, *list_fields]))
        if name in list_fields and isinstance(value, list):
            return self.read_list(value, options, name, max_texts)
        text = self._read_text(value, name, options)
        if isinstance(text, FieldError):
            raise invalid([text])
        return PredictRequest([text], False, options.top_k, options.explain)

    def read_list(
        self, values: Sequence[Any], options: Options, name: str, max_texts: int | None = None
    ) -> PredictRequest:
        """Validate a list of texts, which an error calls ``name``.

        Raises:
            ProblemError: It is empty or too long, or the options want no wrong text in it.
        """
        if not values:
            raise invalid([FieldError(field=name, message="List should have at least 1 item")])
        if options.explain:
            max_texts = MAX_TEXTS if max_texts is None else min(max_texts, MAX_TEXTS)
        if max_texts is not None and len(values) > max_texts:
            end = " to explain" if options.explain else ""
            message = f"List should have at most {max_texts} items{end}, not {len(values)}"
            raise invalid([FieldError(field=name, message=message)])
        items = [
            self._read_text(value, f"{name}.{index}", options) for index, value in enumerate(values)
        ]
        errors = [item for item in items if isinstance(item, FieldError)]
        if errors and options.on_error == "request":
            raise invalid(errors)
        return PredictRequest(items, True, options.top_k, options.explain)

    def _read_text(self, value: Any, name: str, options: Options) -> Text | FieldError:
        is_cut = False
        validator, most = self.text, self._max_characters
        if options.explain:
            validator, most = self._explained_text, min(most, MAX_CHARACTERS)
        if options.truncate and isinstance(value, str) and len(value) > most:
            value, is_cut = value[:most], True
        try:
            return Text(validator.validate_python(value), is_cut)
        except ValidationError as error:
            (first, *_) = error.errors(include_url=False, include_input=False)
            is_blank = first["type"] == "string_pattern_mismatch"
            return FieldError(field=name, message=BLANK if is_blank else first["msg"])


def _make_text_validator(max_characters: int) -> TypeAdapter[str]:
    text = Annotated[
        str, Field(min_length=1, max_length=max_characters, strict=True, pattern=NOT_BLANK)
    ]
    return TypeAdapter(text)


def require_json(header: str | None) -> None:
    """Accept JSON in UTF-8, however it is spelled; a missing header counts as JSON.

    Raises:
        ProblemError: The header names something else.
    """
    media_type, charset = parse_media_type(header or "application/json")
    if not is_json(media_type) or charset not in UTF8_NAMES:
        raise unsupported(header or "", "application/json, in UTF-8")


def is_json(media_type: str) -> bool:
    """Whether a media type is JSON."""
    return media_type == "application/json" or media_type.endswith("+json")


def parse_media_type(header: str) -> tuple[str, str]:
    """Return the media type that a header names, and its charset; both in small letters."""
    message = Message()
    message["content-type"] = header
    return message.get_content_type(), message.get_content_charset("utf-8")


def unsupported(header: str, supported: str) -> ProblemError:
    """Make the error for a media type that cannot be read."""
    detail = f"The Content-Type is {repeat(header)}. Send {supported}."
    return ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)


def invalid(errors: list[FieldError]) -> ProblemError:
    """Make the error for wrong fields."""
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "The request is not valid.", errors)


def invalid_model(error: ValidationError, *path: str) -> ProblemError:
    """Make the error for what pydantic found wrong in the field at a path."""
    return invalid(
        [
            FieldError(field=".".join(map(str, (*path, *one["loc"]))), message=one["msg"])
            for one in error.errors(include_url=False, include_input=False)
        ]
    )


def _split(content: Any, fields: Iterable[str]) -> tuple[str, Any, Options]:
    """Return the name and the value of the field with the texts, and the options.

    Raises:
        ProblemError: It is not an object, does not have one such field, or has unknown ones.
    """
    if not isinstance(content, dict):
        raise invalid([FieldError(field="", message="Input should be an object")])
    options = {name: value for name, value in content.items() if name in Options.model_fields}
    given = [name for name in content if name not in options]
    unknown = [name for name in given if name not in fields]
    if len(given) != 1 or unknown:
        message = (
            f"Input should have one of the fields {', '.join(fields)}, "
            f"and no others except {', '.join(Options.model_fields)}"
        )
        wrong = unknown or given or [LIST_FIELD]
        raise invalid([FieldError(field=repeat(name), message=message) for name in wrong])
    return given[0], content[given[0]], read_options(options)


def read_options(options: dict[str, Any]) -> Options:
    """Validate options.

    Raises:
        ProblemError: One of them is wrong.
    """
    try:
        return Options.model_validate(options)
    except ValidationError as error:
        raise invalid_model(error) from None
