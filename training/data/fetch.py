"""Fetch the content of a data file, from this machine or from S3."""

import io
from pathlib import Path

from inference.s3_uri import SCHEME, S3Uri
from inference.tables.errors import TableError
from inference.tables.inputs import decompress
from inference.tables.reader import DAMAGE_ERRORS
from training.data.examples import DataError

DAMAGED = (*DAMAGE_ERRORS, ValueError, RuntimeError)


def fetch(location: str) -> bytes:
    """Return the decompressed content of a file or of an S3 object.

    Raises:
        DataError: it does not exist or cannot be read.
    """
    if location.startswith(SCHEME):
        raw = _fetch_from_s3(location)
    elif Path(location).is_dir() or not Path(location).exists():
        raise DataError(f"no such file: {location}")
    else:
        raw = Path(location).read_bytes()
    try:
        file, _ = decompress(io.BytesIO(raw))
        return file.read()
    except TableError as error:
        raise DataError(str(error.in_file(location))) from error
    except DAMAGED as error:
        raise DataError(f"cannot decompress {location}: {error}") from None


def _fetch_from_s3(location: str) -> bytes:
    import boto3  # most data is not in S3, and boto3 takes 0.1 s to import
    from botocore.exceptions import BotoCoreError, ClientError

    uri = S3Uri.parse_object(location)
    try:
        body: bytes = boto3.client("s3").get_object(Bucket=uri.bucket, Key=uri.key)["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise DataError(f"cannot read {uri}: {error}") from error
    return body
