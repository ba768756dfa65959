import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from inference.tables import rows
from inference.tables.formats import BulkError, Format, Table
from inference.tables.inputs import identity, open_input
from inference.tables.rows import Columns, Reader, Reject, Row, read_rows

TITLE = Columns("title")


def read(data: bytes, table: Table, columns: Columns = TITLE) -> list[Row | Reject]:
    return list(read_rows(io.BytesIO(data), table, columns))


def texts(found: list[Row | Reject]) -> list[str]:
    return [row.text for row in found if isinstance(row, Row)]


def rejects(found: list[Row | Reject]) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in found if isinstance(row, Reject)]


def test_csv_fields_may_be_quoted_and_span_lines() -> None:
    data = b'id,title\r\n7,"Fed, again"\r\n\r\n8,"two\nlines, one ""row"""\r\n9,last'
    assert read(data, "csv", Columns("title", ("id",))) == [
        Row(2, "Fed, again", ("7",)),
        Row(4, 'two\nlines, one "row"', ("8",)),
        Row(6, "last", ("9",)),
    ]


def test_a_quote_in_tsv_is_a_character() -> None:
    data = b'1\t"Jolie at premiere\tx\n2\tPlain\ty\n3\t5" screen"\tz\n'
    found = read(data, "tsv", Columns("1", ("2",)))
    assert texts(found) == ['"Jolie at premiere', "Plain", '5" screen"']
    assert rejects(found) == []


def test_columns_named_by_position_mean_there_is_no_header() -> None:
    assert read(b"a,b\nc,d\n", "csv", Columns("1", ("0",))) == [
        Row(1, "b", ("a",)),
        Row(2, "d", ("c",)),
    ]


def test_a_byte_order_mark_is_not_part_of_the_first_name() -> None:
    assert texts(read(b"\xef\xbb\xbftitle\nFed\n", "csv")) == ["Fed"]


def test_json_lines_keep_values_as_text() -> None:
    lines = [{"title": "Fed", "id": 7, "tags": ["a"]}, {"title": "Mars", "id": None}]
    data = "\n".join(json.dumps(line) for line in lines).encode()
    assert read(data, "jsonl", Columns("title", ("id", "tags"))) == [
        Row(1, "Fed", ("7", '["a"]')),
        Row(2, "Mars", ("", "")),
    ]


def test_rows_of_parquet_are_numbered(tmp_path: Path) -> None:
    table = pyarrow.table({"id": [7, 8, 9], "title": ["Fed", None, "Mars"]})
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=2)
    data = (tmp_path / "rows.parquet").read_bytes()
    assert read(data, "parquet", Columns("title", ("id",))) == [
        Row(1, "Fed", ("7",)),
        Reject(2, "the text is missing"),
        Row(3, "Mars", ("9",)),
    ]


@pytest.mark.parametrize(
    ("data", "table", "expected"),
    [
        (b"title,x\nFed\nMars,1\n", "csv", (2, "expected 2 columns as in the first row, found 1")),
        (b'title\n"Fed" up\nMars\n', "csv", (2, "',' expected after '\"'")),
        (
            b'title\nMars\n"Fed\nup\n',
            "csv",
            (3, "unexpected end of data (lines 3 to 4 are one row)"),
        ),
        (b"title\n  \x20 \nMars\n", "csv", (2, "the text is blank")),
        (b"title\nF\xe9d\nMars\n", "csv", (2, "not valid UTF-8")),
        (b'{"title": "Mars"}\n{"title": \n', "jsonl", (2, "not a JSON object")),
        (b'{"title": "Mars"}\n["Fed"]\n', "jsonl", (2, "not a JSON object")),
        (b'{"title": "Mars"}\n' + b"[" * 99_999, "jsonl", (2, "not a JSON object")),
        (b'{"title": "Mars"}\n{"title": 7}', "jsonl", (2, "the text is not a string")),
        (b'{"title": "Mars"}\n{"name": "x"}', "jsonl", (2, "the text is missing")),
        (b'{"title": "Mars"}\n{"title": "\\ud800"}', "jsonl", (2, "not valid UTF-8")),
    ],
)
def test_a_bad_row_is_rejected_with_its_line_and_reason_and_the_next_is_read(
    data: bytes, table: Table, expected: tuple[int, str]
) -> None:
    found = read(data, table)
    assert rejects(found) == [expected]
    assert texts(found) == ["Mars"]


@pytest.mark.parametrize("table", ["csv", "tsv", "jsonl"])
def test_a_line_without_end_is_rejected_in_bounded_memory(table: Table) -> None:
    # GIVEN a line of more than the limit between two good ones, whose ends look like rows
    good = b'{"title": "Mars"}\n' if table == "jsonl" else b"Mars\n"
    head = b"" if table == "jsonl" else b"title\n"
    data = head + good + b"x," * rows.MAX_LINE + b"\n" + good
    # WHEN it is read THEN the good ones are there
    found = read(data, table)
    assert texts(found) == ["Mars", "Mars"]
    assert len(rejects(found)) == 1
    assert rejects(found)[0][0] == (2 if table == "jsonl" else 3)


def test_a_text_over_the_limit_is_rejected() -> None:
    data = json.dumps({"title": "x" * (rows.MAX_CHARACTERS + 1)}).encode()
    assert rejects(read(data, "jsonl")) == [(1, "the text has more than 131072 characters")]


@pytest.mark.parametrize(
    ("data", "table", "columns", "message"),
    [
        (b"a,b\n1,2\n", "csv", TITLE, "no column 'title'; the input has a, b"),
        (b"a,b\n1,2\n", "csv", Columns("2"), "no column '2'; the input has columns 0 to 1"),
        (b"a,b\n1,2\n", "csv", Columns("0", ("b",)), "no column 'b'"),
        (b"", "csv", TITLE, "is empty"),
        (b'"a" b,title\n', "csv", TITLE, "line 1: "),
        (b"PAR1 and no more", "parquet", TITLE, "the input is damaged"),
    ],
)
def test_an_input_that_cannot_be_read_at_all_is_an_error(
    data: bytes, table: Table, columns: Columns, message: str
) -> None:
    with pytest.raises(BulkError, match=message):
        read(data, table, columns)


def zstd(data: bytes) -> bytes:
    return bytes(pyarrow.compress(data, "zstd", asbytes=True))


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
}


@pytest.mark.parametrize("compression", COMPRESS)
def test_compressed_files_of_several_members_are_read(compression: str, tmp_path: Path) -> None:
    # GIVEN a file strung together from two compressed ones
    file = tmp_path / f"rows.{compression}"
    file.write_bytes(COMPRESS[compression](b"title\nFed\n") + COMPRESS[compression](b"Mars\n"))
    # WHEN it is opened and read THEN the rows of both are there
    content = identity(str(file))
    with open_input(str(file), Format("csv", compression), content, tmp_path) as source:
        assert texts(list(read_rows(source.file, "csv", TITLE))) == ["Fed", "Mars"]
        assert source.share_read() == 1


@pytest.mark.parametrize("compression", [name for name in COMPRESS if name])
def test_a_compressed_file_that_breaks_off_is_an_error(compression: str, tmp_path: Path) -> None:
    file = tmp_path / f"rows.{compression}"
    file.write_bytes(COMPRESS[compression](b"title\nFed\n" * 1000)[:-9])
    with (
        pytest.raises(BulkError, match="the input is damaged"),
        open_input(str(file), Format("csv", compression), identity(str(file)), tmp_path) as source,
    ):
        list(read_rows(source.file, "csv", TITLE))


def test_chunks_are_bounded_in_rows_and_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN short rows, then long ones, and low limits
    monkeypatch.setattr(rows, "CHUNK_ROWS", 3)
    monkeypatch.setattr(rows, "CHUNK_CHARACTERS", 50)
    file = tmp_path / "rows.csv"
    file.write_text("title\n" + "short\n" * 4 + f"{'long' * 10}\n" * 3)
    met: list[Reject] = []
    # WHEN they are read in chunks
    with open_input(str(file), Format("csv"), identity(str(file)), tmp_path) as source:
        reader = Reader(source, "csv", TITLE, met.append)
        sizes = [len(chunk) for chunk in reader.chunks()]
        # THEN no chunk goes beyond a limit by more than its last row
        assert sizes == [3, 3, 1]
        assert reader.expected_rows() == 7


def test_an_input_that_is_written_to_meanwhile_is_an_error(tmp_path: Path) -> None:
    # GIVEN an open input
    file = tmp_path / "rows.csv"
    file.write_text("title\nFed\n")
    with open_input(str(file), Format("csv"), identity(str(file)), tmp_path) as source:
        source.check_unchanged()
        # WHEN a row is added to it THEN that is found out
        with file.open("a") as more:
            more.write("Mars\n")
        with pytest.raises(BulkError, match="was changed while it was read"):
            source.check_unchanged()
