import io

import pytest

from inference.tables.columns import InputColumns
from inference.tables.options import ReadOptions
from inference.tables.ranges import Range, cut_ranges, read_range
from inference.tables.reader import read_rows
from inference.tables.recognize import recognize
from inference.tables.rows import Reject, Row

TEXT = InputColumns("text", ("id",))
POSITION = InputColumns("1", ("0",))


@pytest.mark.parametrize(
    ("columns", "data"),
    [
        (TEXT, b'id,text\n1,a\n2,"b\n\nc"\n3,d\n\n4\n5,e"f\n6,"g""h"\n7,i'),
        (TEXT, b'\xef\xbb\xbf\n"id","te\nxt",text\r\n1,2,a\r\n3,4,b\r\n5,6,c\r\n'),
        (POSITION, b"1,a\n2,b\n3,c,d\n4,e\n"),
        (POSITION, b'1\t"a\n\n2\tb"\n3\n4\t \n5\t\xff\xc3\xa9\n6\tg\n'),
        (TEXT, b'{"text":"a"}\n\n{"text":1}\n[]\n{"text":"b","id":2}\n{"text":"c"}'),
        (TEXT, b'id,text\n1,"a, b"\n2,"open\n3,c\n4,"d, e"\n5,f\n'),
        (TEXT, "id;text\r1;ä\r2;\r3;c\r".encode()),
    ],
)
def test_the_ranges_of_a_file_hold_the_rows_and_rejects_of_the_whole(
    columns: InputColumns, data: bytes
) -> None:
    # GIVEN a file with more than two rows
    layout = recognize(io.BytesIO(data), columns, ReadOptions())
    whole = list(read_rows(io.BytesIO(data), layout, columns))
    assert len(whole) > 2
    # WHEN it is read in ranges of any length THEN the rows are those of the whole file
    content = data.replace(b"\r", b"\n") if layout.newline == "\r" else data
    for rows in (1, 2, 3, 100):
        apart: list[Row | Reject] = []
        for part in cut_ranges(io.BytesIO(data), layout, rows):
            apart += read_range(part, content[part.begin : part.end], layout, columns)
        assert apart == whole


def test_ranges_follow_each_other_without_a_gap() -> None:
    # GIVEN rows of 11 bytes
    data = b"text\n" + b"some words\n" * 1000
    layout = recognize(io.BytesIO(data), InputColumns("text"), ReadOptions())
    # WHEN they are cut by size
    found = list(cut_ranges(io.BytesIO(data), layout, rows=10_000, size=1000))
    # THEN the ranges cover all rows, and each ends with the row that fills it
    assert [part.begin for part in found] == [5, *(part.end for part in found[:-1])]
    assert found[-1].end == len(data)
    assert all(1000 <= part.end - part.begin < 1011 for part in found[:-1])
    assert found[1] == Range(1006, 2007, 93)


@pytest.mark.parametrize("data", [b"", b"\n", b"text\n"])
def test_a_file_without_rows_has_no_ranges(data: bytes) -> None:
    columns = InputColumns("text") if data.startswith(b"t") else InputColumns("0")
    layout = recognize(io.BytesIO(data), columns, ReadOptions())
    parts = list(cut_ranges(io.BytesIO(data), layout))
    assert [row for part in parts for row in read_range(part, b"\n", layout, columns)] == []
