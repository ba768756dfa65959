"""Copy a bundle to a model store in another region."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from inference.model.publish import create_bucket, publish
from inference.model.store import fetch
from inference.s3_uri import S3Uri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TIMEOUT_SECONDS = 600.0  # for a bundle of some hundred MB


def store_in(model_uri: str, region: str) -> str:
    """Return the store for a region: the same prefix, in a bucket with the region in its name.

    Raises:
        S3UriError: The URI is not one of S3.
    """
    source = S3Uri.parse(model_uri)
    suffix = f"-{region}"
    bucket = source.bucket if source.bucket.endswith(suffix) else f"{source.bucket}{suffix}"
    return f"s3://{bucket}/{source.key}".rpartition("/")[0]


def replicate(s3: "S3Client", model_uri: str, region: str) -> str:
    """Publish a bundle in another region, and return its model URI there.

    The bundle is verified on its way. Its version stays the same, because its content does.

    Args:
        s3: A client for that region, which also creates the bucket if necessary.
        model_uri: The bundle, ``s3://BUCKET/PREFIX/VERSION``.
        region: Such as ``eu-west-1``.

    Raises:
        S3UriError: The URI is not one of S3.
        StoreError: The bundle cannot be fetched, or is not the one that the URI names.
        PublishError: The store there holds other content under this version.
    """
    store = store_in(model_uri, region)
    create_bucket(s3, S3Uri.parse(store).bucket)
    with tempfile.TemporaryDirectory() as cache:
        bundle = fetch(model_uri, Path(cache), TIMEOUT_SECONDS)
        return publish(s3, bundle.folder, store)
