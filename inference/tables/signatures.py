"""Recognize compressed files, Parquet and files that hold no rows by their first bytes."""

import re
import zipfile
from pathlib import PurePosixPath
from typing import BinaryIO

from inference.tables.errors import TableError, show

HEAD_BYTES = 512

COMPRESSED = {
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # without a member
}
COMPRESSIONS = tuple(f".{name}" for name in dict.fromkeys(COMPRESSED.values()))  # as names end
PARQUET = b"PAR1"
EXCEL = "save it as CSV UTF-8 in Excel or LibreOffice"
EXPORT = "export its table as CSV"
UNPACK = "unpack it first"
OTHERS = {  # what a file may be instead, and the way out
    b"\xd0\xcf\x11\xe0": ("an Excel workbook (.xls) or another Office file", EXCEL),
    b"%PDF": ("a PDF file", EXPORT),
    b"ARROW1": ("an Arrow or Feather file", "save it as Parquet"),
    b"PARE": ("an encrypted Parquet file", "write it without encryption"),
    b"Obj\x01": ("an Avro file", "save it as Parquet"),
    b"\x89HDF": ("an HDF5 file", EXPORT),
    b"\x93NUMPY": ("a NumPy file", EXPORT),
    b"\x80\x04\x95": ("a pickle", EXPORT),
    b"RDX": ("an R data file", "save it as CSV: write.csv(data, 'data.csv', row.names = FALSE)"),
    b"SQLite format 3": ("an SQLite database", "export the table as CSV"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", UNPACK),
    b"Rar!": ("a RAR archive", UNPACK),
    b"\x04\x22\x4d\x18": ("an LZ4 file", UNPACK),
    b"\x1f\x9d": ("a compress (.Z) file", UNPACK),
    b"version https://git-lfs": ("a Git LFS pointer", "fetch the file itself: git lfs pull"),
}
XML = re.compile(rb"\s*<\?xml\b")
HTML = re.compile(rb"\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
JSON_ARRAY = re.compile(rb"\s*\[\s*[\[{\"]")
JSON_OVER_LINES = re.compile(rb"\s*\{\s*(?:\r?\n\s*\"|$)")
TAR_MAGIC = slice(257, 262)  # holds "ustar" in an archive of tar
NO_TABLES = ("readme", "license", "licence")
TABLES_IN_ZIP = (".csv", ".tsv", ".txt", ".tab", ".jsonl", ".ndjson", ".json")


def find_compression(head: bytes) -> str:
    """Return how a file that begins so is compressed; empty if it is not."""
    return next((name for magic, name in COMPRESSED.items() if head.startswith(magic)), "")


def require_rows(head: bytes) -> None:
    """Refuse a decompressed file that is not a table, though people may take it for one.

    Raises:
        TableError: it is one; the message says what it is, and the way out.
    """
    for magic, (kind, remedy) in OTHERS.items():
        if head.startswith(magic):
            raise TableError(f"this is {kind}", remedy=remedy)
    if compression := find_compression(head):
        raise TableError(f"this is compressed twice, the second time as {compression}",
                         remedy=UNPACK)  # fmt: skip
    if head[TAR_MAGIC] == b"ustar":
        raise TableError("this is a tar archive", remedy=UNPACK)
    if XML.match(head) and not re.search(rb"<html\b", head, re.IGNORECASE):
        raise TableError("this is an XML file", excerpt=show(head), remedy=EXPORT)
    if HTML.match(head) or XML.match(head):
        raise TableError(
            "this is a web page", excerpt=show(head), remedy="was a login page downloaded instead?"
        )


def require_json_lines(head: bytes) -> None:
    """Make sure that JSON has one object on each line.

    Raises:
        TableError: it is an array, or an object over several lines.
    """
    if JSON_ARRAY.match(head):
        raise TableError(
            "this is a JSON array",
            remedy="put each object on a line of its own: jq -c '.[]' IN.json > OUT.jsonl",
        )
    if JSON_OVER_LINES.match(head):
        raise TableError(
            "this is JSON with objects over several lines",
            remedy="put each object on a line of its own: jq -c . IN.json > OUT.jsonl",
        )


def _is_table(name: str) -> bool:
    path = PurePosixPath(name.lower())
    is_hidden = path.name.startswith(".") or path.parts[:1] == ("__macosx",)
    return path.suffix in TABLES_IN_ZIP and not is_hidden and path.stem not in NO_TABLES


def open_member(file: BinaryIO) -> tuple[BinaryIO, str]:
    """Open the table in a zip archive, the largest if there are several; return its name too.

    Raises:
        TableError: the archive is a workbook, is encrypted, holds no table, or is compressed in a
            way that Python does not know.
    """
    archive = zipfile.ZipFile(file)
    names = archive.namelist()
    if any(name.startswith("xl/") for name in names):
        raise TableError("this is an Excel workbook (.xlsx)", remedy=EXCEL)
    if "mimetype" in names and b"opendocument" in archive.read("mimetype"):
        raise TableError("this is an OpenDocument file", remedy=EXCEL)
    members = [one for one in archive.infolist() if _is_table(one.filename)]
    if not members:
        raise TableError(
            "this zip archive holds no table",
            excerpt=show(", ".join(names)),
            remedy=f"a table's name ends in {', '.join(TABLES_IN_ZIP)}",
        )
    largest = max(members, key=lambda one: one.file_size)
    if largest.flag_bits & 1:
        raise TableError("this zip archive is encrypted", remedy=UNPACK)
    note = ""
    if len(members) > 1:
        note = f"of the {len(members)} tables in the archive, only {largest.filename} is read"
    try:
        return archive.open(largest), note  # type: ignore[return-value]
    except NotImplementedError as error:  # a way to compress that Python does not know
        raise TableError(f"this zip archive cannot be read: {error}", remedy=UNPACK) from error
