"""The formats and compressions of files, and the type of an output by its name."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Literal, get_args

from inference.tables.errors import TableError

FileFormat = Literal["csv", "tsv", "jsonl", "parquet"]
FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)
COMPRESSIONS = ("gz", "bz2", "xz", "zst")  # that an output can have
PYARROW = "run `make setup`, or in a clone: pip install -e . --group bulk (pip 25.1 or newer)"
PIPE = "-"  # stdin or stdout


@dataclass(frozen=True)
class FileType:
    """A file format and its compression, which is empty for a plain file."""

    format: FileFormat
    compression: str = ""


def detect_file_type(location: str) -> FileType:
    """Return the type of an output, which its name ends in.

    Raises:
        TableError: the name ends in no known format, or this machine cannot write the type.
    """
    found = find_file_type(location)
    if found is None:
        raise TableError(
            f"cannot tell the format of {location}",
            remedy=f"its name should end in .{', .'.join(FORMATS)} "
            f"(compressed: followed by .{', .'.join(COMPRESSIONS)})",
        )
    if found.format == "parquet" and found.compression:
        raise TableError(
            f"{location}: Parquet compresses its own content",
            remedy=f"use a name without .{found.compression}",
        )
    if found.format == "parquet" or found.compression == "zst":
        require_pyarrow(location)
    return found


def find_file_type(location: str) -> FileType | None:
    """Return the type that a name ends in; None if it ends in no known format."""
    endings = [suffix.removeprefix(".") for suffix in PurePosixPath(location.lower()).suffixes]
    compression = endings.pop() if endings and endings[-1] in COMPRESSIONS else ""
    format_ = next((name for name in FORMATS if endings[-1:] == [name]), None)
    return FileType(format_, compression) if format_ else None


def require_pyarrow(location: str) -> None:
    """Make sure that Parquet and zstd can be read and written here.

    Raises:
        TableError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise TableError(f"{location} needs pyarrow", remedy=PYARROW)
