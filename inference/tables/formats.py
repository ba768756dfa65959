"""Recognize the format and compression of a file by its name."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Literal, get_args

from inference.errors import TextClassifierError

FileFormat = Literal["csv", "tsv", "jsonl", "parquet"]
FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)
COMPRESSIONS = ("gz", "bz2", "xz", "zst")
PIPE = "-"  # stdin or stdout


class TableError(TextClassifierError):
    """A file cannot be read or written as rows; the message says what to do."""


@dataclass(frozen=True)
class FileType:
    """A file format and its compression, which is empty for a plain file."""

    format: FileFormat
    compression: str = ""


def detect_file_type(location: str, file_format: FileFormat | None = None) -> FileType:
    """Return the type of a file: the given format, or else the one that its name ends in.

    Raises:
        TableError: the name ends in no known format, or this machine cannot handle the type.
    """
    endings = [suffix.removeprefix(".") for suffix in PurePosixPath(location.lower()).suffixes]
    compression = endings.pop() if endings and endings[-1] in COMPRESSIONS else ""
    found = file_format or next((name for name in FORMATS if endings[-1:] == [name]), None)
    if found is None:
        raise TableError(
            f"cannot tell the format of {location}: its name should end in .{', .'.join(FORMATS)} "
            f"(compressed: followed by .{', .'.join(COMPRESSIONS)}); "
            "for an input, --format can say it instead"
        )
    if found == "parquet":
        _require_plain_file(location, compression)
    if (found == "parquet" or compression == "zst") and find_spec("pyarrow") is None:
        raise TableError(f"{location} needs pyarrow: pip install --group bulk")
    return FileType(found, compression)


def _require_plain_file(location: str, compression: str) -> None:
    if compression:
        raise TableError(
            f"{location}: Parquet compresses its own content; use a file without .{compression}"
        )
    if location == PIPE:
        raise TableError("Parquet cannot go through a pipe: name a file")
