"""Recognize how a file is to be read, by its content and by what the user says."""

import codecs
import io
import json
import re
from typing import BinaryIO

from inference.tables.columns import InputColumns
from inference.tables.content import HEAD_BYTES, Content
from inference.tables.dialect import recognize_dialect
from inference.tables.encodings import Utf8Check, detect_encoding, open_as_utf8
from inference.tables.errors import TableError, show
from inference.tables.formats import FileFormat, require_pyarrow
from inference.tables.layout import Layout, Newline
from inference.tables.options import ReadOptions
from inference.tables.signatures import PARQUET, require_json_lines, require_rows

JSON_LINES = (".jsonl", ".ndjson", ".json")
_QUOTED = re.compile(rb'"[^"]*+"')
_LONE_CR = re.compile(rb"\r(?!\n)")


def recognize(
    file: BinaryIO,
    columns: InputColumns,
    options: ReadOptions,
    *,
    name: str = "",
    complete: bool = True,
) -> Layout:
    """Find out how a file is to be read.

    Args:
        file: the decompressed content, or its beginning up to the end of a line; it is read from
            there several times.
        columns: the columns to read.
        options: what the user says about the file.
        name: its name without the ending of a compression.
        complete: whether this is all of the file.

    Raises:
        TableError: the file holds no rows, or its encoding or header is not what it must be.
    """
    head = file.read(HEAD_BYTES)
    if _is_parquet(head, name, options.file_format):
        require_pyarrow("a Parquet file")
        return Layout("parquet")
    require_rows(head)
    encoding = options.encoding or detect_encoding(head)
    text = open_as_utf8(io.BytesIO(head), encoding, "\n").read()
    newline: Newline = "\r" if _has_cr_line_ends(text) else "\n"
    mark = codecs.BOM_UTF8 if text.startswith(codecs.BOM_UTF8) else b""
    content = Content(open_as_utf8(file, encoding, newline), complete, begin=len(mark))
    check = Utf8Check()
    dialect = None
    if _is_json(text.removeprefix(mark), name, options.file_format):
        content.read_through(check)
        file_format: FileFormat = "jsonl"
    else:
        dialect = recognize_dialect(content, columns, options, check)
        file_format = "tsv" if dialect and dialect.shape.delimiter == "\t" else "csv"
    if encoding == "utf-8" and options.encoding is None:
        check.require_utf8()
    return Layout(file_format, encoding, newline, content.begin, content.line, dialect)


def _is_parquet(head: bytes, name: str, file_format: FileFormat | None) -> bool:
    is_parquet = head.startswith(PARQUET)
    is_named_so = file_format is None and name.lower().endswith(".parquet")
    if (file_format == "parquet" or is_named_so) and not is_parquet:
        raise TableError("this is not a Parquet file", excerpt=show(head))
    return is_parquet and file_format in (None, "parquet")


def _has_cr_line_ends(head: bytes) -> bool:
    """Whether most lines end in a lone CR; cells that are quoted may hold other line ends."""
    unquoted = _QUOTED.sub(b"", head)
    return len(_LONE_CR.findall(unquoted)) > unquoted.count(b"\n")


def _is_json(head: bytes, name: str, file_format: FileFormat | None) -> bool:
    """Whether the content is JSON lines.

    Raises:
        TableError: it is JSON of another form.
    """
    is_named_so = file_format is None and name.lower().endswith(JSON_LINES)
    if file_format in ("csv", "tsv"):
        return False
    if file_format == "jsonl" or is_named_so or head.lstrip()[:1] in (b"{", b"["):
        require_json_lines(head)
    return file_format == "jsonl" or is_named_so or _is_object(head.lstrip().partition(b"\n")[0])


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
