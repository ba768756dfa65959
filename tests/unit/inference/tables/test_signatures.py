import bz2
import gzip
import io
import lzma
import zipfile

import pytest

from inference.tables.errors import TableError
from inference.tables.signatures import (
    find_compression,
    open_member,
    require_json_lines,
    require_rows,
)


def make_zip(**members: bytes) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


@pytest.mark.parametrize(
    ("head", "compression"),
    [
        (gzip.compress(b"a"), "gz"),
        (bz2.compress(b"a"), "bz2"),
        (lzma.compress(b"a"), "xz"),
        (make_zip(a=b"").getvalue(), "zip"),
        (b"\x28\xb5\x2f\xfd\x00", "zst"),
        (b"id,text\n", ""),
        (b"", ""),
    ],
)
def test_a_compression_is_known_by_its_first_bytes(head: bytes, compression: str) -> None:
    assert find_compression(head) == compression


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1", r"an Excel workbook \(.xls\).*; save it as CSV UTF-8"),
        (b"%PDF-1.7", "a PDF file"),
        (b"ARROW1\x00\x00", "an Arrow or Feather file; save it as Parquet"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
        (gzip.compress(b"a"), "compressed twice"),
        (b"a" * 257 + b"ustar\x0000", "a tar archive"),
        (b"\n<!DOCTYPE html><title>Log in</title>", "a web page: .*; was a login page"),
        (b'<?xml version="1.0"?>\n<rows/>', "an XML file: .*; export its table as CSV"),
        (b'<?xml version="1.0"?>\n<html/>', "a web page"),
        (b"Obj\x01\x04", "an Avro file; save it as Parquet"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"\x93NUMPY", "a NumPy file"),
        (b"\x80\x04\x95", "a pickle"),
        (b"RDX3\n", "an R data file; save it as CSV: write.csv"),
        (b"PARE", "an encrypted Parquet file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer; .*git lfs pull"),
    ],
)
def test_a_file_that_holds_no_rows_is_called_by_its_name(head: bytes, message: str) -> None:
    with pytest.raises(TableError, match=f"this is {message}"):
        require_rows(head)


@pytest.mark.parametrize("head", [b"id,text\n", b"{}", b"<b>bold</b>,1\n", b""])
def test_a_table_is_none_of_them(head: bytes) -> None:
    require_rows(head)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b'[{"text": "a"},\n', r"a JSON array; .*jq -c '\.\[\]'"),
        (b' [\n  {\n    "text": "a"', "a JSON array"),
        (b'["a", "b"]', "a JSON array"),
        (b'{\n  "text": "a"\n}\n', r"JSON with objects over several lines; .*jq -c \."),
    ],
)
def test_json_of_another_form_is_an_error_with_the_way_out(head: bytes, message: str) -> None:
    with pytest.raises(TableError, match=f"this is {message}"):
        require_json_lines(head)


def test_the_table_in_an_archive_is_opened() -> None:
    # GIVEN an archive as macOS makes it, with a readme
    file = make_zip(**{"rows.csv": b"text\na\n", "__MACOSX/._rows.csv": b"x" * 99, "readme": b"x"})
    # WHEN it is opened THEN its content is that of the table
    member, note = open_member(file)
    assert (member.read(), note) == (b"text\na\n", "")


def test_of_several_tables_the_largest_is_read_and_named() -> None:
    file = make_zip(**{"small.csv": b"x", "large.tsv": b"text\na\n", "readme.txt": b"x" * 99})
    member, note = open_member(file)
    assert member.read() == b"text\na\n"
    assert note == "of the 2 tables in the archive, only large.tsv is read"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"xl/workbook.xml": b""}, r"an Excel workbook \(.xlsx\); save it as CSV UTF-8"),
        ({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet"}, "an OpenDocument file"),
        ({"a.png": b"", "readme.txt": b""}, "holds no table: 'a.png, readme.txt'; .* ends in .csv"),
    ],
)
def test_an_archive_without_a_table_is_an_error(members: dict[str, bytes], message: str) -> None:
    with pytest.raises(TableError, match=message):
        open_member(make_zip(**members))


def test_an_archive_that_python_cannot_unpack_is_an_error() -> None:
    # GIVEN an archive of a method that has no number in Python
    content = bytearray(make_zip(**{"rows.csv": b"text\na\n"}).getvalue())
    content[content.find(b"PK\x01\x02") + 10] = 97
    # WHEN it is opened THEN the error says to unpack it
    with pytest.raises(TableError, match=r"cannot be read: .* not supported; unpack it first"):
        open_member(io.BytesIO(bytes(content)))


def test_an_empty_archive_holds_no_table() -> None:
    content = make_zip().getvalue()
    assert find_compression(content) == "zip"
    with pytest.raises(TableError, match="holds no table"):
        open_member(io.BytesIO(content))
