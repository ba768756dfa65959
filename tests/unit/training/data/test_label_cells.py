import re

import pytest

from training.data.label_cells import choose_separator, find_lists, read_flag, split_cell


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("a;b", ("a", "b")),
        (" a ; b; ", ("a", "b")),
        ("a;a", ("a",)),
        ("", ()),
        (" ; ", ()),
        ("a,b", ("a,b",)),
        (' ["a", "b,c"]', ("a", "b,c")),  # of JSON lines and Parquet
        ("[]", ()),
        ("[1, 2.5]", ("1", "2.5")),
        ("[" * 100_000, ("[" * 100_000,)),  # no list, and deeper than Python reads
        ("[a;b", ("[a", "b")),
    ],
)
def test_a_cell_is_split_at_the_separator(cell: str, labels: tuple[str, ...]) -> None:
    assert split_cell(cell, ";") == labels


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ('["a", null]', "something other than"),
        ('[["a"], "b"]', "something other than"),
        ('["a", "b;c"]', "'b;c' has the separator ';' in it: give another --label-separator"),
    ],
)
def test_a_list_of_something_else_is_refused(cell: str, fault: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        split_cell(cell, ";")


@pytest.mark.parametrize(
    ("cell", "applies"),
    [("1", True), ("0", False), (" 1.0 ", True), ("true", True), ("False", False), ("2", None)],
)
def test_a_flag_is_yes_or_no_or_neither(cell: str, applies: bool | None) -> None:
    assert read_flag(cell) is applies
    assert read_flag("") is None


def test_the_separator_for_writing_is_in_no_label() -> None:
    assert choose_separator(["a", "b"]) == ";"
    assert choose_separator(["a;b", "c"]) == "|"


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["billing", "delivery", "billing;delivery"], ";"),
        (["billing; delivery", "delivery; refund", "refund; billing"], ";"),  # never alone
        (["a", "b", "a,b"], ","),
        (["a,b", "c"], ","),
        (["x|y", "y|x"], "|"),
        (["a/b", "a", "b"], "/"),
        (['["a", "b"]', '["a"]'], ";"),
    ],
)
def test_cells_that_look_like_lists_are_told_with_the_option(
    cells: list[str], separator: str
) -> None:
    (hint,) = find_lists(cells)
    assert hint.endswith(f"give --label-separator '{separator}'")


@pytest.mark.parametrize(
    "cells",
    [
        ["Business", "Science"],
        ["Arts, Entertainment", "Science, Technology", "Health"],
        ["input/output", "network"],
        ["positive", "negative"],
        ["[]", "[" * 100_000],
    ],
)
def test_labels_that_only_contain_a_separator_are_no_lists(cells: list[str]) -> None:
    assert find_lists(cells) == []
