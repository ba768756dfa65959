import pytest

from inference.tables.columns import InputColumns
from inference.tables.errors import TableError
from inference.tables.layout import Dialect, Layout
from inference.tables.shape import Shape


def make(header: tuple[str, ...], delimiter: str = ",") -> Dialect:
    return Dialect("standard", False, header, len(header) and 3, Shape(delimiter, 2))


def test_columns_are_found_by_their_names_or_their_positions() -> None:
    assert make(("id", "text")).find(InputColumns("text")) == [1]
    assert make(()).find(InputColumns("1", ("0",))) == [1, 0]


def test_an_error_names_the_line_of_the_header() -> None:
    with pytest.raises(TableError, match=r"^line 3: no column 'body'"):
        make(("id", "text")).find(InputColumns("body"))


@pytest.mark.parametrize(
    ("layout", "words", "is_plain"),
    [
        (Layout("jsonl"), "jsonl, encoding utf-8", True),
        (Layout("parquet"), "parquet", True),
        (Layout("csv", dialect=make(("id", "text"))),
         "csv, delimiter comma, quoting standard, encoding utf-8, header in line 3", True),
        (Layout("csv", dialect=make((), "~")),
         "csv, delimiter '~', quoting standard, encoding utf-8, no header", True),
        (Layout("csv", "utf-16", "\r", dialect=make((), "")),
         "csv, delimiter none, quoting standard, encoding utf-16, CR line ends, no header", False),
    ],
)  # fmt: skip
def test_a_layout_is_described_in_a_few_words(layout: Layout, words: str, is_plain: bool) -> None:
    assert layout.describe() == words
    assert layout.is_plain == is_plain
