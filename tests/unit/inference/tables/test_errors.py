import pytest

from inference.tables.errors import MAX_EXCERPT, TableError, join_words, show


def test_a_message_says_where_what_was_found_and_what_to_do() -> None:
    error = TableError("no header", line=3, excerpt="'a, b'", remedy="add one").in_file("x.csv")
    assert str(error) == "x.csv, line 3: no header: 'a, b'; add one"


def test_a_message_without_a_place_is_the_problem_alone() -> None:
    assert str(TableError("no such file")) == "no such file"


def test_an_error_keeps_the_first_file_that_it_is_given() -> None:
    assert str(TableError("bad").in_file("inner.csv").in_file("outer.csv")) == "inner.csv: bad"


def test_a_message_for_logs_holds_no_content() -> None:
    error = TableError("no header", line=3, excerpt="'private'", remedy="add one")
    assert error.without_content() == "line 3: no header; add one"
    assert "private" in str(error)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("ça va", "'ça va'"),
        ("a\tb\x00\u200b", r"'a\tb\x00\u200b'"),
        (b"Caf\xe9", r"'Caf\xe9'"),
        ("Caf\udce9", r"'Caf\xe9'"),
        ("", "''"),
    ],
)
def test_content_is_shown_in_printable_characters(content: bytes | str, shown: str) -> None:
    assert show(content) == shown


@pytest.mark.parametrize("content", ["x" * 101, "x" * 99, "\x00" * 60, b"\xff" * 1000])
def test_no_more_than_a_hundred_characters_are_shown(content: bytes | str) -> None:
    shown = show(content)
    assert len(shown) <= MAX_EXCERPT
    assert shown.endswith("…'")


def test_words_are_joined_as_in_a_sentence() -> None:
    assert [join_words(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]
