import pytest

from inference.tables.rows import (
    BLANK,
    MISSING,
    NOT_A_STRING,
    NOT_UTF8,
    Reject,
    Row,
    is_blank,
    make_row,
)


@pytest.mark.parametrize(
    "text",
    [
        *("", " \t\n", "\x00", "\u200b\u200d", "\ufeff", "\u3000\xa0", "\u2060\xad", "\u3164"),
        *("\u2800", "\ufe0f", "\u202a\u202c", "\U000e0041"),
    ],
)
def test_a_text_that_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize(
    "text", ["a", "\x00a", "\u200bb", ":)", "😂", "👩\u200d🚀", ".", "क", "\u0301"]
)
def test_a_text_that_shows_something_is_not(text: str) -> None:
    assert not is_blank(text)


def test_a_text_of_any_length_is_a_row() -> None:
    assert make_row(1, "x" * 5_000_000, ()) == Row(1, "x" * 5_000_000, ())


def test_kept_values_become_texts() -> None:
    row = make_row(1, "a", (7, None, True, [1], {"b": "ü"}, 1.5))
    assert row == Row(1, "a", ("7", "", "true", "[1]", '{"b": "ü"}', "1.5"))


@pytest.mark.parametrize(
    ("text", "kept", "reject"),
    [
        (None, (), Reject(1, MISSING)),
        (7, (), Reject(1, NOT_A_STRING, "'7'")),
        (" \u200b", (), Reject(1, BLANK, r"' \u200b'")),
        ("a\ud800", (), Reject(1, NOT_UTF8, r"'a\ud800'")),
        ("a", ("\udce9",), Reject(1, NOT_UTF8, r"'\xe9'")),
    ],
)
def test_a_row_without_a_text_is_rejected(
    text: object, kept: tuple[str, ...], reject: Reject
) -> None:
    assert make_row(1, text, kept) == reject
