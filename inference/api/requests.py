"""Parse and validate the requests to classify texts."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct

from inference.api.bodies import get_header, read_body
from inference.api.json_body import decode_json, require_uncompressed
from inference.api.problems import FieldError, ProblemError, repeat
from inference.api.rules import NOT_BLANK, check_choice, check_count, check_flag, check_text
from inference.model.explanation import MAX_CHARACTERS, MAX_TEXTS
from inference.runtime.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent

LIST_FIELD = "inputs"  # the field that takes one text or a list of texts
UTF8_NAMES = ("utf-8", "utf8", "us-ascii")
FIELDS = (LIST_FIELD, "text", "headline", "query", "review")  # the fields that one text may be in


class Options(Struct, frozen=True, kw_only=True):
    """What a request may say besides its texts."""

    on_error: Annotated[
        Literal["request", "item"],
        Meta(
            description="What a wrong text of a list is answered with: an error for the whole "
            "request, or one in the text's own place."
        ),
    ] = "request"
    truncate: Annotated[
        bool,
        Meta(
            description="Whether the beginning of a text that is too long is read, "
            "instead of refusing the text."
        ),
    ] = False
    top_k: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="How many of the most probable labels `probabilities` has."),
    ] = None
    explain: Annotated[
        bool,
        Meta(
            description="Whether the answer says what each word contributes to the label "
            f"(`explanation`). For at most {MAX_TEXTS} texts of {MAX_CHARACTERS:,} characters."
        ),
    ] = False


DEFAULTS = Options()
# What is wrong with the value of each option, in words.
CHECKS: Mapping[str, Callable[[Any], str | None]] = {
    "on_error": lambda value: check_choice(value, ("request", "item")),
    "truncate": check_flag,
    "top_k": lambda value: None if value is None else check_count(value),
    "explain": check_flag,
}


class Text(Struct, frozen=True):
    """A text to classify."""

    content: str
    is_cut: bool = False  # whether only its beginning is left


class PredictRequest(Struct, frozen=True):
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
        """Take the limits."""
        self.max_texts = settings.max_texts
        self._max_characters = settings.max_characters
        self._max_bytes = settings.max_body_bytes

    @property
    def text_schema(self) -> dict[str, Any]:
        """The JSON Schema of a text."""
        most = self._max_characters
        return {"type": "string", "minLength": 1, "maxLength": most, "pattern": NOT_BLANK}

    def parse(self, event: "BaseProxyEvent") -> PredictRequest:
        """Parse the request in an event.

        Raises:
            ProblemError: It is not JSON, not valid or too large.
        """
        return self.read(self.decode(event), self.max_texts)

    def decode(self, event: "BaseProxyEvent") -> Any:
        """Decode the JSON in the body of an event.

        Raises:
            ProblemError: It is something else or too large.
        """
        require_json(get_header(event, "content-type"))
        return decode_json(self.read_body(event))

    def read_body(self, event: "BaseProxyEvent") -> bytes:
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
        name, value, options = _split(content, (*FIELDS, *list_fields))
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
        is_cut, most = False, self._max_characters
        if options.explain:
            most = min(most, MAX_CHARACTERS)
        if options.truncate and isinstance(value, str) and len(value) > most:
            value, is_cut = value[:most], True
        wrong = check_text(value, most)
        return FieldError(field=name, message=wrong) if wrong else Text(value, is_cut)


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
    if header == "application/json":  # of nearly all requests
        return header, "utf-8"
    return _parse_media_type(header)


@lru_cache(64)
def _parse_media_type(header: str) -> tuple[str, str]:
    from email.message import Message  # the first prediction should not wait for it

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


def find_errors(
    values: Mapping[str, Any], checks: Mapping[str, Callable[[Any], str | None]], *path: str
) -> list[FieldError]:
    """Check the values of the field at a path; return what is wrong with each."""
    return [
        FieldError(field=".".join((*path, name)), message=wrong)
        for name, check in checks.items()
        if name in values and (wrong := check(values[name]))
    ]


def _split(content: Any, fields: Sequence[str]) -> tuple[str, Any, Options]:
    """Return the name and the value of the field with the texts, and the options.

    Raises:
        ProblemError: It is not an object, does not have one such field, or has unknown ones.
    """
    if not isinstance(content, dict):
        raise invalid([FieldError(field="", message="Input should be an object")])
    if len(content) == 1:  # as nearly always
        ((name, value),) = content.items()
        if name in fields:
            return name, value, DEFAULTS
    options = {name: value for name, value in content.items() if name in CHECKS}
    given = [name for name in content if name not in options]
    unknown = [name for name in given if name not in fields]
    if len(given) != 1 or unknown:
        message = (
            f"Input should have one of the fields {', '.join(dict.fromkeys(fields))}, "
            f"and no others except {', '.join(CHECKS)}"
        )
        wrong = unknown or given or [LIST_FIELD]
        raise invalid([FieldError(field=repeat(name), message=message) for name in wrong])
    return given[0], content[given[0]], read_options(options)


def read_options(options: dict[str, Any]) -> Options:
    """Validate options.

    Raises:
        ProblemError: One of them is wrong.
    """
    if not options:
        return DEFAULTS
    if errors := find_errors(options, CHECKS):
        raise invalid(errors)
    top_k = options.get("top_k")
    return Options(**{**options, "top_k": None if top_k is None else int(top_k)})
