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

from inference.tables.formats import FileFormat, TableError
from inference.tables.inputs import decompress
from inference.tables.reader import read_rows
from inference.tables.rows import InputColumns, Row

COLUMNS = InputColumns("title", ("id",))
ROWS = [{"id": "1", "title": "Fed"}, {"id": "2", "title": "Mars"}]


def parquet() -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("file_format", "content", "first_line"),
    [
        ("csv", b"id,title\n1,Fed\n2,Mars\n", 2),
        ("tsv", b"id\ttitle\n1\tFed\n2\tMars\n", 2),
        ("jsonl", "\n".join(map(json.dumps, ROWS)).encode(), 1),
        ("parquet", parquet(), 1),
    ],
)
def test_each_format_gives_the_same_rows(
    file_format: FileFormat, content: bytes, first_line: int
) -> None:
    assert list(read_rows(io.BytesIO(content), file_format, COLUMNS)) == [
        Row(first_line, "Fed", ("1",)),
        Row(first_line + 1, "Mars", ("2",)),
    ]


def zstd(data: bytes) -> bytes:
    return bytes(pyarrow.compress(data, "zstd", asbytes=True))


@pytest.mark.parametrize(
    ("compression", "compress"),
    [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstd)],
)
def test_a_compressed_file_that_breaks_off_is_an_error(
    compression: str, compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    damaged = compress(b"id,title\n" + b"1,Fed\n" * 1000)[:-9]
    file = decompress(io.BytesIO(damaged), compression)
    with pytest.raises(TableError, match="the input is damaged"):
        list(read_rows(file, "csv", COLUMNS))
