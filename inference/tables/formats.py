"""What kind of table a file is, by its name or as the user says."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Literal, get_args

Table = Literal["csv", "tsv", "jsonl", "parquet"]
TABLES: tuple[Table, ...] = get_args(Table)
COMPRESSIONS = ("gz", "bz2", "xz", "zst")
PIPE = "-"  # stdin or stdout


class BulkError(Exception):
    """The run cannot go on; the message says what to do."""


@dataclass(frozen=True)
class Format:
    """A table and how it is compressed, if it is."""

    table: Table
    compression: str = ""


def format_of(location: str, said: Table | None = None) -> Format:
    """The format of a file: ``said``, or what its name ends with.

    Raises:
        BulkError: the name does not tell, or this format cannot be handled here.
    """
    *_, second, last = ["", "", *PurePosixPath(location.lower()).suffixes]
    compression = last[1:] if last[1:] in COMPRESSIONS else ""
    suffix = (second if compression else last)[1:]
    table = said or next((table for table in TABLES if table == suffix), None)
    if table is None:
        raise BulkError(
            f"{location} does not end with .{', .'.join(TABLES)} or one of these and "
            f".{', .'.join(COMPRESSIONS)}; --format says what an input is"
        )
    if table == "parquet" and (compression or location == PIPE):
        raise BulkError("Parquet is compressed inside, and is read from and written to files only")
    if (table == "parquet" or compression == "zst") and find_spec("pyarrow") is None:
        raise BulkError(f"{location} needs pyarrow: pip install --group bulk")
    return Format(table, compression)
