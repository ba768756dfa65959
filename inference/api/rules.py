"""Check the values in requests, and say what is wrong with each in words that clients may read."""

import re
from collections.abc import Sequence
from typing import Any

# Any character except white space. Spelled out, because \s in JSON Schema (ECMA 262) covers other
# characters than in the library that checks the pattern here.
NOT_BLANK = r"[^\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
BLANK = "String should have something besides white space"
NOT_UNICODE = "Input should be a valid string, unable to parse raw data as a unicode string"
_NOT_BLANK = re.compile(NOT_BLANK)


def check_string(value: Any, most: int) -> str | None:
    """Return what is wrong with a string of at least one and at most this many characters."""
    if not isinstance(value, str):
        return "Input should be a valid string"
    if not value:
        return "String should have at least 1 character"
    if not _is_unicode(value):
        return NOT_UNICODE
    if len(value) > most:
        return f"String should have at most {most} character{'s' if most > 1 else ''}"
    return None


def check_text(value: Any, most: int) -> str | None:
    """Return what is wrong with a text to classify."""
    return check_string(value, most) or (None if _NOT_BLANK.search(value) else BLANK)


def check_flag(value: Any) -> str | None:
    """Return what is wrong with a boolean."""
    return None if isinstance(value, bool) else "Input should be a valid boolean"


def check_choice(value: Any, choices: Sequence[str]) -> str | None:
    """Return what is wrong with one of some strings."""
    if isinstance(value, str) and value in choices:
        return None
    if isinstance(value, str) and not _is_unicode(value):
        return NOT_UNICODE
    *others, last = (f"'{choice}'" for choice in choices)
    return f"Input should be {', '.join(others)} or {last}"


def check_count(value: Any) -> str | None:
    """Return what is wrong with an integer of at least one; 2.0 is an integer in JSON Schema."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return "Input should be a valid integer"
    return None if value >= 1 else "Input should be greater than or equal to 1"


def _is_unicode(value: str) -> bool:
    """Whether a string has no half of a surrogate pair."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
