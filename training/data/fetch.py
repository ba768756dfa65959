"""Fetch the content of a data file, from this machine or from S3."""

import io
from pathlib import Path
from typing import NamedTuple

from inference.s3_uri import SCHEME
from inference.tables.compression import decompress
from inference.tables.errors import TableError
from inference.tables.reader import DAMAGE_ERRORS
from inference.tables.s3_object import read_object
from training.data.examples import DataError

DAMAGED = (*DAMAGE_ERRORS, ValueError, RuntimeError)


class Fetched(NamedTuple):
    """The content of a file, decompressed."""

    content: bytes
    note: str  # which table of an archive it is; empty if there is no choice


def fetch(location: str) -> Fetched:
    """Fetch a file or an S3 object, and decompress it.

    Raises:
        DataError: it does not exist or cannot be read.
    """
    try:
        raw = read_object(location) if location.startswith(SCHEME) else _read_file(location)
        file, note = decompress(io.BytesIO(raw))
        return Fetched(file.read(), note)
    except TableError as error:
        raise DataError(str(error.in_file(location))) from error
    except DAMAGED as error:
        raise DataError(
            f"cannot decompress {location}, which may be incomplete or damaged: {error}"
        ) from None


def _read_file(location: str) -> bytes:
    path = Path(location)
    if path.is_dir() or not path.exists():
        raise DataError(f"no such file: {location}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {location}: {error.strerror}") from error
