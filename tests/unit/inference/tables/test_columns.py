import pytest

from inference.tables.columns import (
    InputColumns,
    find_columns,
    find_positions,
    looks_like_data,
)
from inference.tables.errors import TableError


@pytest.mark.parametrize(
    "present", ["text", " Text ", "TEXT", "\ufefftext", '"text"', "text\u200b"]
)
def test_case_and_blanks_of_a_name_are_forgiven(present: str) -> None:
    assert find_columns(InputColumns("text"), ["id", present]) == [1]


def test_an_exact_name_goes_before_a_similar_one() -> None:
    assert find_columns(InputColumns("text", ("Text",)), ["Text", "text"]) == [1, 0]


@pytest.mark.parametrize(
    ("present", "same"),
    [(["text", "text"], "'text' and 'text'"), (["Text", "TEXT "], "'Text' and")],
)
def test_two_columns_of_a_name_are_an_error(present: list[str], same: str) -> None:
    with pytest.raises(TableError, match=f"line 1: 2 columns are named 'text': {same}.*rename"):
        find_columns(InputColumns("text"), present, line=1)


def test_other_columns_may_have_one_name() -> None:
    assert find_columns(InputColumns("text"), ["", "", "text"]) == [2]


def test_an_optional_column_may_be_missing() -> None:
    columns = InputColumns("text", ("split", "id"), optional=frozenset({"split"}))
    assert find_columns(columns, ["id", "text"]) == [1, None, 0]


@pytest.mark.parametrize(
    ("present", "message"),
    [
        (["id", "txt"], r"^line 1: no column 'text': the file has id, txt; did you mean 'txt'\?$"),
        (["id", "body"], "^line 1: no column 'text': the file has id, body$"),
        ([f"c{n}" for n in range(20)], "c11 and 8 more$"),
        (["x" * 60, "red"], "Is this line a header.* of 60 characters: 'xxx.*--no-header.*0 to 1"),
        (["7", "red"], "Is this line a header"),
    ],
)  # fmt: skip
def test_a_missing_column_is_an_error_that_helps(present: list[str], message: str) -> None:
    with pytest.raises(TableError, match=message):
        find_columns(InputColumns("text"), present, line=1)


def test_columns_without_names_are_found_by_their_positions() -> None:
    assert InputColumns("1").by_position
    assert find_positions(InputColumns("1", ("0",)), 2) == [1, 0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (InputColumns("2"), "no column '2'; the file has columns 0 to 1"),
        (InputColumns("0", ("id",)), "no column 'id' in a file without a header; .* 0 to 1"),
    ],
)
def test_a_position_that_the_file_lacks_is_an_error(columns: InputColumns, message: str) -> None:
    with pytest.raises(TableError, match=message):
        find_positions(columns, 2)


@pytest.mark.parametrize(
    ("fields", "is_data"),
    [(["id", "text"], False), (["", "text"], False), (["3.5", "x"], True), (["y" * 41], True)],
)
def test_a_long_text_or_a_number_makes_a_row(fields: list[str], is_data: bool) -> None:
    assert looks_like_data(fields) == is_data


def test_names_are_shown_in_printable_characters_and_cut() -> None:
    # GIVEN a line that is no header, with control characters and a long value
    present = ["\x1b[2J\x00", "x" * 1000]
    # WHEN a column is not there THEN the message does no harm to a terminal
    with pytest.raises(TableError) as error:
        find_columns(InputColumns("text"), present)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 200
