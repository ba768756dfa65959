"""Decode the JSON of a request, and say what is wrong with a body that is not JSON."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from inference.api.problems import ProblemError, repeat

# The first bytes of compressed data, for clients that forget the header Content-Encoding.
COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x78\x9c": "deflate",
    b"\x78\xda": "deflate",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
}


USUAL = b'{"'  # how nearly all bodies begin, which are then neither compressed nor in UTF-16


def require_uncompressed(encodings: str | None) -> None:
    """Refuse a Content-Encoding, with its name.

    Raises:
        ProblemError: The body is compressed.
    """
    if not encodings:
        return
    names = [name.strip().lower() for name in encodings.split(",")]
    if used := [name for name in names if name not in ("", "identity")]:
        raise _compressed(repeat(", ".join(used)))


def decode_json(data: bytes) -> Any:
    """Decode JSON in UTF-8, with or without a byte order mark.

    Raises:
        ProblemError: It is something else; the detail says what is wrong, and where.
    """
    is_usual = data.startswith(USUAL)
    if not is_usual:
        _refuse_compressed(data)
    text = decode_utf8(data)
    if not (is_usual or text.strip()):
        raise _bad('The body is empty. Send a JSON object, such as {"inputs": "a text"}.')
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        place = f"line {error.lineno}, column {error.colno}"
        raise _bad(f"The body is not JSON: {reason} at {place}.") from None
    except RecursionError:
        raise _bad("The body is not readable: it is nested too deeply.") from None
    except ValueError:  # the only other one: Python converts no integer of more digits
        raise _bad("The body is not readable: it has a number of thousands of digits.") from None


def decode_utf8(data: bytes) -> str:
    """Decode UTF-8, with or without a byte order mark.

    Raises:
        ProblemError: It is something else; the detail says where.
    """
    codec = "utf-8"
    if not data.startswith(USUAL):
        encoding = json.detect_encoding(data)  # by the zero bytes among the first four: RFC 4627
        if encoding.startswith(("utf-16", "utf-32")):
            raise _bad(f"The body seems to be in {encoding[:6].upper()}. Send it in UTF-8.")
        codec = "utf-8-sig"
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        # Counted from the start of the body, which may have a byte order mark.
        position = error.start + len(data) - len(error.object)
        detail = f"byte 0x{data[position]:02x} at offset {position} is invalid."
        raise _bad(f"The body is not UTF-8: {detail}") from None


def _refuse_compressed(data: bytes) -> None:
    for signature, encoding in COMPRESSED.items():
        if data.startswith(signature):
            raise _compressed(encoding)


def _refuse_constant(name: str) -> None:
    raise _bad(f"The body is not JSON: it contains {name}, which JSON does not have.")


def _refuse_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise _bad(f'An object in the body has the key "{repeat(name)}" twice.')
        content[name] = value
    return content


# Made once, because making it takes longer than decoding a headline.
DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_refuse_duplicates)


def _bad(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.BAD_REQUEST, detail)


def _compressed(encoding: str) -> ProblemError:
    detail = f"The body is compressed ({encoding}). Send it uncompressed."
    headers = {"Accept-Encoding": "identity"}  # RFC 9110, section 15.5.16
    return ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers=headers)
