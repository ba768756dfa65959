import gzip
import io

import pytest

from inference.tables.columns import InputColumns
from inference.tables.errors import TableError
from inference.tables.layout import Layout
from inference.tables.options import ReadOptions
from inference.tables.recognize import recognize

TEXT = InputColumns("text")


def find(data: bytes, name: str = "", options: ReadOptions | None = None) -> Layout:
    return recognize(io.BytesIO(data), TEXT, options or ReadOptions(), name=name)


@pytest.mark.parametrize(
    ("data", "name", "file_format"),
    [
        (b"id,text\n1,a\n", "rows.tsv", "csv"),
        (b"id\ttext\n1\ta\n", "rows.csv", "tsv"),
        (b'{"text": "a"}\n', "rows", "jsonl"),
        (b'\n {"text": "a"}\n', "rows.csv", "jsonl"),
        (b"not an object\n", "rows.jsonl", "jsonl"),
        (b'{"a",text\n1,2\n', "rows.csv", "csv"),
        (b"PAR1...", "rows.csv", "parquet"),
        (b"text\n[a] b\n", "rows.txt", "csv"),
    ],
)
def test_the_format_is_known_by_the_content(data: bytes, name: str, file_format: str) -> None:
    assert find(data, name).file_format == file_format


def test_the_user_may_say_the_format() -> None:
    data = b'{"text": "a"}\n'
    columns = InputColumns("0")
    options = ReadOptions("csv", no_header=True)
    assert recognize(io.BytesIO(data), columns, options).file_format == "csv"


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b'[{"text": "a"}]', "rows.json", "this is a JSON array"),
        (b'[{"text": "a"}]', "rows.csv", "this is a JSON array"),
        (b'{\n "text": "a"\n}', "rows.json", "this is JSON with objects over several lines"),
        (b"id,text\n", "rows.parquet", "this is not a Parquet file: 'id,text"),
        (gzip.compress(b"id,text\n"), "rows.csv.gz.gz", "compressed twice"),
        (b"%PDF-1.7", "rows.csv", "this is a PDF file"),
        ("id,text\n1,Café\n".encode("latin-1"), "rows.csv", "line 2: the file is not UTF-8"),
        ('{"text": "Café"}\n'.encode("latin-1"), "rows.jsonl", "line 1: the file is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error(data: bytes, name: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        find(data, name)


def test_with_the_encoding_given_the_file_is_read() -> None:
    data = "id,text\n1,Café\n".encode("cp1252")
    assert find(data, options=ReadOptions(encoding="cp1252")).encoding == "cp1252"
    assert find(data, options=ReadOptions(encoding="utf-8")).encoding == "utf-8"


@pytest.mark.parametrize(
    ("data", "newline", "begin"),
    [
        (b"id,text\r1,a\r2,b\r", "\r", 8),
        (b'id,text\r1,"a\nb\nc\nd"\r', "\r", 8),
        (b"id,text\r\n1,a\rb\rc\r\n", "\n", 9),
        (b"\xef\xbb\xbfid,text\n1,a\n", "\n", 11),
        ("id,text\r1,a\r".encode("utf-16"), "\r", 8),
    ],
)
def test_line_ends_and_marks_are_found(data: bytes, newline: str, begin: int) -> None:
    layout = find(data)
    assert (layout.newline, layout.begin, layout.line) == (newline, begin, 2)


def test_a_layout_is_described_in_a_few_words() -> None:
    layout = find("id;text\n1;a\n".encode("utf-16"))
    assert layout.describe() == (
        "csv, delimiter semicolon, quoting standard, encoding utf-16, header in line 1"
    )
    assert not layout.is_plain
