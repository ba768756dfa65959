import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.tables.formats import FileFormat, TableError
from inference.tables.ranges import Range, cut_ranges, read_range
from inference.tables.reader import read_rows
from inference.tables.rows import InputColumns, Reject, Row

TEXT = InputColumns("text", ("id",))
POSITION = InputColumns("1", ("0",))


def read_part(
    part: Range, data: bytes, file_format: FileFormat, columns: InputColumns
) -> list[Row | Reject]:
    head, body = data[: part.head], data[part.begin : part.end]
    return list(read_range(part, head, body, file_format, columns))


def read_in_ranges(
    data: bytes, file_format: FileFormat, columns: InputColumns, rows: int = 2, size: int = 1000
) -> list[Row | Reject]:
    parts = cut_ranges(io.BytesIO(data), file_format, rows, size)
    return [row for part in parts for row in read_part(part, data, file_format, columns)]


@pytest.mark.parametrize(
    ("file_format", "columns", "data"),
    [
        ("csv", TEXT, b'id,text\n1,a\n2,"b\n\nc"\n3,d\n\n4\n5,e"f\n6,"g""h"\n7,i'),
        ("csv", TEXT, b'\xef\xbb\xbf\n"id","te\nxt",text\r\n1,2,a\r\n3,4,b\r\n5,6,c\r\n'),
        ("csv", POSITION, b"1,a\n2,b\n3,c,d\n4,e\n"),
        ("tsv", POSITION, b'1\t"a\n\n2\tb"\n3\n4\t \n5\t\xff\n6\tg\n'),
        ("jsonl", TEXT, b'{"text":"a"}\n\n{"text":1}\n[]\n{"text":"b","id":2}\n{"text":"c"}'),
    ],
)
def test_the_ranges_of_a_file_hold_the_rows_and_rejects_of_the_whole(
    file_format: FileFormat, columns: InputColumns, data: bytes
) -> None:
    # GIVEN a file with more than two rows
    whole = list(read_rows(io.BytesIO(data), file_format, columns))
    assert len(whole) > 2
    # WHEN it is read in ranges of any length THEN the rows are those of the whole file
    for rows in (1, 2, 3, 100):
        assert read_in_ranges(data, file_format, columns, rows) == whole


SNIPPETS = st.sampled_from([",", '"', "\n", "\r\n", "\t", "a", "b c", '""', '"\n', "1,x\n"])


@settings(max_examples=300, deadline=None)
@given(st.lists(SNIPPETS, max_size=40), st.sampled_from(["csv", "tsv"]), st.integers(1, 4))
def test_no_file_is_cut_within_a_row(
    snippets: list[str], file_format: FileFormat, rows: int
) -> None:
    # GIVEN a header and any content, unbalanced quotes included
    separator = "\t" if file_format == "tsv" else ","
    data = f"id{separator}text\n{''.join(snippets)}".encode()
    # WHEN it is read in ranges THEN the rows are those of the whole file
    whole = list(read_rows(io.BytesIO(data), file_format, TEXT))
    assert read_in_ranges(data, file_format, TEXT, rows) == whole


def test_ranges_follow_each_other_without_a_gap() -> None:
    # GIVEN rows of 11 bytes
    data = b"text\n" + b"some words\n" * 1000
    # WHEN they are cut by size
    found = list(cut_ranges(io.BytesIO(data), "csv", rows=10_000, size=1000))
    # THEN the ranges cover all bytes, and each ends with the row that fills it
    assert [part.begin for part in found] == [0, *(part.end for part in found[:-1])]
    assert found[-1].end == len(data)
    assert all(1000 <= part.end - part.begin < 1011 for part in found[:-1])
    assert found[1] == Range(1006, 2007, 93, 5)


def test_an_empty_file_has_no_ranges() -> None:
    assert list(cut_ranges(io.BytesIO(b""), "csv")) == []


def test_a_missing_column_is_an_error_in_every_range() -> None:
    data = b"id,title\n1,a\n2,b\n"
    *_, last = cut_ranges(io.BytesIO(data), "csv", rows=1)
    with pytest.raises(TableError, match="no column 'text'"):
        read_part(last, data, "csv", TEXT)
