import pytest

from inference.tables.orange import is_orange_header


@pytest.mark.parametrize(
    ("types", "flags"),
    [
        (["string", "discrete"], ["meta", "class"]),
        (["s", "d", "c", "t"], ["m", "c", "i", "w"]),
        (["text", "categorical"], ["meta", "class"]),
        (["String", " Discrete "], ["", ""]),
        (["string", "children adult"], ["meta", "class"]),
        (["string", ""], ["meta source=web", ""]),
        (["string", "d"], [r"meta source=the\ web", "class"]),
    ],
)
def test_types_and_flags_are_a_header(types: list[str], flags: list[str]) -> None:
    assert is_orange_header(types, flags, len(types))


@pytest.mark.parametrize(
    ("types", "flags"),
    [
        (["d", "d", "d"], ["class"]),
        (["d", "c", "1 0", "d", "d", "j l"], ["", "", "", "i", "class"]),
        (["d", "s", "d"], []),
        (["string", "d"], ["meta", "class"]),
        (["string"], ["meta"]),
    ],
)
def test_cells_at_the_end_of_a_row_may_be_left_out(types: list[str], flags: list[str]) -> None:
    assert is_orange_header(types, flags, max(3, len(types)))


@pytest.mark.parametrize(
    ("types", "flags"),
    [
        (["Fed holds rates", "b"], ["Mars probe lands", "t"]),
        (["string", "adult"], ["", ""]),  # a text, and its label
        (["string", "discrete"], ["a new meta class", "b"]),
        (["children", "adult"], ["meta", "class"]),
    ],
)
def test_rows_are_not(types: list[str], flags: list[str]) -> None:
    assert not is_orange_header(types, flags, len(types))


@pytest.mark.parametrize(
    ("types", "flags"),
    [
        (["string", "adult"], ["meta"]),  # a row, and a broken one
        (["string", "a text of some words"], []),  # a row above a blank line
        (["string", ""], []),
        (["string"], []),
        (["d", "c"], ["d", "c", "i"]),  # more cells than columns
    ],
)
def test_broken_and_blank_lines_below_a_row_are_not(types: list[str], flags: list[str]) -> None:
    assert not is_orange_header(types, flags, 2)


def test_a_file_with_one_column_has_no_such_header() -> None:
    assert not is_orange_header(["string"], ["meta"], 1)
