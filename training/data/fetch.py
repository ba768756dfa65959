"""Fetch a data file, from this machine or from S3, and decompress it."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from inference.s3_uri import SCHEME, S3Uri
from training.data.examples import DataError

DECOMPRESS = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
DAMAGED = (
    *(OSError, EOFError, ValueError, RuntimeError),
    *(lzma.LZMAError, zipfile.BadZipFile, zlib.error),
)


def fetch(location: str) -> bytes:
    """Return the bytes of a file or of an S3 object.

    Raises:
        DataError: it does not exist or cannot be read.
    """
    if location.startswith(SCHEME):
        return _fetch_from_s3(location)
    path = Path(location)
    if not path.is_file():
        raise DataError(f"no such file: {location}")
    return path.read_bytes()


def _fetch_from_s3(location: str) -> bytes:
    import boto3  # most data is not in S3, and boto3 takes 0.1 s to import
    from botocore.exceptions import BotoCoreError, ClientError

    uri = S3Uri.parse_object(location)
    try:
        body: bytes = boto3.client("s3").get_object(Bucket=uri.bucket, Key=uri.key)["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise DataError(f"cannot read {uri}: {error}") from error
    return body


def decompress(data: bytes, location: str) -> bytes:
    """Decompress a file as its suffix says.

    Raises:
        DataError: the file is damaged, or is an archive without a CSV file.
    """
    suffix = PurePosixPath(location).suffix
    try:
        if suffix == ".zip":
            return _unzip(data, location)
        return DECOMPRESS[suffix](data) if suffix in DECOMPRESS else data
    except DAMAGED as error:
        raise DataError(f"cannot decompress {location}: {error}") from None


def _unzip(data: bytes, location: str) -> bytes:
    """Return the largest CSV file; the news archive also holds a small second one."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = [entry for entry in archive.infolist() if entry.filename.endswith(".csv")]
        if not files:
            raise DataError(f"no .csv file in {location}")
        return archive.read(max(files, key=lambda entry: entry.file_size))
