import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.tables.formats import BulkError, Table
from inference.tables.ranges import Range, cut, read_range
from inference.tables.rows import Columns, Reject, Row, read_rows

TEXT = Columns("text", ("id",))
POSITION = Columns("1", ("0",))


def in_ranges(
    data: bytes, table: Table, columns: Columns, rows: int = 2, size: int = 1000
) -> list[Row | Reject]:
    """The rows of a table, read range by range."""
    return [
        row
        for part in cut(io.BytesIO(data), table, rows, size)
        for row in read_range(part, data[: part.head], data[part.begin : part.end], table, columns)
    ]


@pytest.mark.parametrize(
    ("table", "columns", "data"),
    [
        ("csv", TEXT, b'id,text\n1,a\n2,"b\n\nc"\n3,d\n\n4\n5,e"f\n6,"g""h"\n7,i'),
        ("csv", TEXT, b'\xef\xbb\xbf\n"id","te\nxt",text\r\n1,2,a\r\n3,4,b\r\n5,6,c\r\n'),
        ("csv", POSITION, b"1,a\n2,b\n3,c,d\n4,e\n"),
        ("tsv", POSITION, b'1\t"a\n\n2\tb"\n3\n4\t \n5\t\xff\n6\tg\n'),
        ("jsonl", TEXT, b'{"text":"a"}\n\n{"text":1}\n[]\n{"text":"b","id":2}\n{"text":"c"}'),
    ],
)
def test_ranges_hold_the_rows_and_rejects_of_the_whole_file(
    table: Table, columns: Columns, data: bytes
) -> None:
    whole = list(read_rows(io.BytesIO(data), table, columns))
    assert len(whole) > 2
    for rows in (1, 2, 3, 100):
        assert in_ranges(data, table, columns, rows) == whole


SNIPPETS = st.sampled_from([",", '"', "\n", "\r\n", "\t", "a", "b c", '""', '"\n', "1,x\n"])


@settings(max_examples=300, deadline=None)
@given(st.lists(SNIPPETS, max_size=40), st.sampled_from(["csv", "tsv"]), st.integers(1, 4))
def test_no_text_is_cut_within_a_row(snippets: list[str], table: Table, rows: int) -> None:
    # GIVEN a header and any text, quotes unbalanced too
    separator = "\t" if table == "tsv" else ","
    data = f"id{separator}text\n{''.join(snippets)}".encode()
    # WHEN it is read in ranges THEN it is what the whole is
    assert in_ranges(data, table, TEXT, rows) == list(read_rows(io.BytesIO(data), table, TEXT))


def test_ranges_follow_each_other_without_a_gap() -> None:
    data = b"text\n" + b"some words\n" * 1000
    found = list(cut(io.BytesIO(data), "csv", rows=10_000, size=1000))
    assert [part.begin for part in found] == [0, *(part.end for part in found[:-1])]
    assert found[-1].end == len(data)
    assert all(1000 <= part.end - part.begin < 1011 for part in found[:-1])
    assert found[1] == Range(1006, 2007, 93, 5)


def test_an_empty_file_has_no_range() -> None:
    assert list(cut(io.BytesIO(b""), "csv")) == []


def test_a_column_that_is_not_there_is_missed_in_every_range() -> None:
    data = b"id,title\n1,a\n2,b\n"
    *_, last = cut(io.BytesIO(data), "csv", rows=1)
    with pytest.raises(BulkError, match="no column 'text'"):
        list(read_range(last, data[: last.head], data[last.begin : last.end], "csv", TEXT))
