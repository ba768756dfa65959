import io

import pytest

from inference.tables.columns import InputColumns
from inference.tables.content import Content
from inference.tables.dialect import recognize_dialect
from inference.tables.encodings import Utf8Check
from inference.tables.errors import TableError
from inference.tables.layout import Dialect
from inference.tables.options import ReadOptions

TEXT = InputColumns("text")
LABELLED = InputColumns("text", ("label",))


def recognize(
    text: str, columns: InputColumns = TEXT, options: ReadOptions | None = None
) -> tuple[Dialect, int, int]:
    """Return the dialect, and the byte and line at which the rows begin."""
    content = Content(io.BytesIO(text.encode()), complete=True)
    dialect = recognize_dialect(content, columns, options or ReadOptions(), Utf8Check())
    assert dialect
    return dialect, content.begin, content.line


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_separator_is_found_by_the_names(delimiter: str) -> None:
    # GIVEN texts that are full of the other separators
    rows = ["id", "text"], ["1", "a, b; c, d; e"], ["2", "f"], ["3", "g, h"]
    dialect, begin, line = recognize("".join(delimiter.join(row) + "\n" for row in rows))
    assert dialect.shape.delimiter == delimiter
    assert (dialect.header, dialect.header_line) == (("id", "text"), 1)
    assert (begin, line) == (8, 2)


@pytest.mark.parametrize(
    ("text", "delimiter", "width"),
    [
        ("1\ta, b\n2\tc, d\n", "\t", 2),
        ("1;5,2;a\n2;6,1;b\n", ";", 3),
        ('"1","a; b"\n"2","c; d"\n', ",", 2),
        ("a, b\nc\nd\ne, f, g\nh\n", "", 1),
        ("a\nb, c\nd, e\n", ",", 2),
        ("a\n", "", 1),
    ],
)
def test_without_names_it_is_found_by_the_width_of_rows(
    text: str, delimiter: str, width: int
) -> None:
    dialect, begin, line = recognize(text, InputColumns("0"))
    assert (dialect.shape.delimiter, dialect.shape.width) == (delimiter, width)
    assert (dialect.header, begin, line) == ((), 0, 1)


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\n', "SEP=;\n"])
def test_the_line_for_excel_names_the_separator_and_is_no_row(first: str) -> None:
    dialect, begin, line = recognize(first + "text,x;label\na,b;c\n", InputColumns("text,x"))
    assert dialect.shape.delimiter == ";"
    assert (dialect.header_line, begin, line) == (2, len(first) + 13, 3)


def test_what_the_user_says_goes_before_what_is_found() -> None:
    dialect, _, _ = recognize(
        'sep=;\ntext~"label\na,b~"c\n', InputColumns("text"), ReadOptions(None, "~", "none")
    )
    assert (dialect.shape.delimiter, dialect.quoting) == ("~", "none")
    assert dialect.header == ("text", '"label')


def test_the_format_tsv_means_tabs() -> None:
    dialect, _, _ = recognize("text\ta,b\n1\t2,3\n", TEXT, ReadOptions("tsv"))
    assert dialect.shape.delimiter == "\t"


def test_empty_lines_before_the_header_are_skipped() -> None:
    dialect, begin, line = recognize("\n\r\nid,text\n1,a\n")
    assert (dialect.header, dialect.header_line, begin, line) == (("id", "text"), 3, 11, 4)


def test_a_header_may_have_quotes_and_line_breaks() -> None:
    dialect, _, line = recognize('"id","a\nb","text"\n1,2,3\n')
    assert (dialect.header, line) == (("id", "a\nb", "text"), 3)


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("", TEXT, "the file is empty: it has no header"),
        ("\n \n\n", TEXT, "line 2: no column 'text'"),
        ("id,txt\n1,a\n", TEXT, r"line 1: no column 'text': .*did you mean 'txt'\?"),
        ("text,text\na,b\n", TEXT, "line 1: 2 columns are named 'text'"),
        ("a,b\n1,2\n", InputColumns("2"), "no column '2'; the file has columns 0 to 1"),
        ("a,b\n1,2\n", InputColumns("0", ("b",)), "no column 'b' in a file without a header"),
        ("text,label\n" + "1,a,red\n" * 20, TEXT, "names 2 columns, .* most rows have 3"),
        ("x" * 60 + ",red\n" + "y" * 50 + ",blue\n", LABELLED, "Is this line a header"),
    ],
)  # fmt: skip
def test_a_file_without_the_header_or_a_column_is_an_error(
    text: str, columns: InputColumns, message: str
) -> None:
    with pytest.raises(TableError, match=message):
        recognize(text, columns)


def test_a_header_whose_quotes_are_wrong_is_an_error() -> None:
    with pytest.raises(TableError, match=r"line 1: the quotes of the header.* --quoting none"):
        recognize('"a" b,text\n1,2\n', TEXT, ReadOptions(quoting="standard"))


def test_an_empty_file_without_a_header_has_no_dialect() -> None:
    content = Content(io.BytesIO(b"\n"), complete=True)
    assert recognize_dialect(content, InputColumns("0"), ReadOptions(), Utf8Check()) is None


def test_a_header_is_no_row_where_columns_are_named_by_their_positions() -> None:
    # GIVEN a file whose first line has names above numbers
    text = "id,text\n" + "".join(f"{number},a text\n" for number in range(20))
    # WHEN its columns are named by their positions THEN that is an error
    with pytest.raises(TableError, match="line 1: this line looks like a header: 'id, text'"):
        recognize(text, InputColumns("1"))
    # UNLESS the user says that there is no header
    dialect, begin, _ = recognize(text, InputColumns("1"), ReadOptions(no_header=True))
    assert (dialect.header, begin) == ((), 0)


ORANGE = "text\tlabel\nstring\tdiscrete\nmeta\tclass\n"


def test_the_header_of_orange_has_three_rows() -> None:
    # GIVEN a .tab file of Orange, with types and flags below the names
    dialect, begin, line = recognize(f"{ORANGE}Fed holds rates\tb\n", LABELLED)
    # THEN the rows begin below them
    assert (dialect.header, dialect.header_line) == (("text", "label"), 1)
    assert (begin, line) == (len(ORANGE), 4)


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("label\ttext\nd\tstring\nclass\n", 4),
        ("label\ttext\nd\tstring\n\n", 3),
        ("label\ttext\r\nd\tstring\r\n\r\n", 3),
        ("label\ttext\nd\tstring\n\t\n", 4),
    ],
)
def test_the_header_of_orange_may_leave_out_flags(header: str, line: int) -> None:
    # GIVEN a .tab file whose third row is short, blank or empty WHEN it is read
    row = "b\tFed holds rates\n"
    dialect, begin, first = recognize(f"{header}{row}t\tMars probe lands\n", LABELLED)
    # THEN the rows begin below the header, or with the blank line, which is no row
    assert (dialect.header, dialect.header_line) == (("label", "text"), 1)
    assert f"{header}{row}"[begin:].strip() == row.strip()
    assert first == line


def test_a_short_row_of_words_that_orange_knows_is_a_broken_row() -> None:
    # GIVEN letters with their kinds, and a line that lacks a cell
    text = "text\tlabel\ne\tc\nc\n" + "f\tc\n" * 20
    # WHEN it is read THEN all lines below the names are rows
    _, begin, line = recognize(text, LABELLED)
    assert (begin, line) == (len("text\tlabel\n"), 2)


def test_the_header_of_orange_is_no_row_where_columns_are_named_by_their_positions() -> None:
    with pytest.raises(TableError, match="line 1: this line looks like a header"):
        recognize(f"{ORANGE}Fed holds rates\tb\n", InputColumns("0"))


NAMED = InputColumns("TITLE", ("ID",), header=("ID", "TITLE"))


@pytest.mark.parametrize(
    ("text", "header_line", "line"), [("1\ta\n2\tb\n", 0, 1), ("Id\tTitle\n1\ta\n", 1, 2)]
)
def test_names_that_are_known_beforehand_may_also_be_in_the_file(
    text: str, header_line: int, line: int
) -> None:
    dialect, _, first = recognize(text, NAMED)
    assert (dialect.header_line, first) == (header_line, line)
    assert dialect.find(NAMED) == [1, 0]
