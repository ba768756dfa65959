import pytest

from inference.tables.orange import is_orange_header


@pytest.mark.parametrize(
    ("types", "flags"),
    [
        (["string", "discrete"], ["meta", "class"]),
        (["s", "d", "c", "t"], ["m", "c", "i", "w"]),
        (["String", " Discrete "], ["", ""]),
        (["string", "children adult"], ["meta", "class"]),
        (["string", ""], ["meta source=web", ""]),
    ],
)
def test_types_and_flags_are_a_header(types: list[str], flags: list[str]) -> None:
    assert is_orange_header(types, flags)


@pytest.mark.parametrize(
    ("types", "flags"),
    [
        (["Fed holds rates", "b"], ["Mars probe lands", "t"]),
        (["string", "adult"], ["", ""]),  # a text, and its label
        (["string", "discrete"], ["a new meta class", "b"]),
        (["children", "adult"], ["meta", "class"]),
        (["string", "discrete"], ["meta"]),
        (["string"], ["meta"]),
    ],
)
def test_rows_are_not(types: list[str], flags: list[str]) -> None:
    assert not is_orange_header(types, flags)
