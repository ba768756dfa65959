"""List the bundles in a model store."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.model.bundle import MANIFEST, BundleError, Manifest, is_version, parse_manifest
from inference.s3_uri import S3Uri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class ListedBundle:
    """A version in a store; without a manifest, ``problem`` says why it cannot be read."""

    version: str
    manifest: Manifest | None
    problem: str = ""

    @property
    def time(self) -> str:
        """When the model was trained, as ISO 8601; empty if that is unknown."""
        return str(self.manifest.training.get("time", "")) if self.manifest else ""


def list_bundles(s3: "S3Client", store: str) -> list[ListedBundle]:
    """List the complete versions of a store, unreadable ones first and then the oldest.

    Raises:
        S3UriError: The store is not of the form ``s3://BUCKET/PREFIX``.
    """
    root = S3Uri.parse(store)
    prefix = f"{root.key}/" if root.key else ""
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=root.bucket, Prefix=prefix, Delimiter="/"
    )
    folders = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
    names = [folder.removeprefix(prefix).rstrip("/") for folder in folders]
    bundles = [_read(s3, root / name) for name in names if is_version(name)]
    return sorted(filter(None, bundles), key=lambda bundle: (bundle.time, bundle.version))


def _read(s3: "S3Client", model_uri: S3Uri) -> ListedBundle | None:
    """Read a version's manifest; None while its upload is unfinished."""
    version = model_uri.name
    manifest_uri = model_uri / MANIFEST
    try:
        response = s3.get_object(Bucket=manifest_uri.bucket, Key=manifest_uri.key)
    except s3.exceptions.NoSuchKey:
        return None
    try:
        return ListedBundle(version, parse_manifest(response["Body"].read(), version))
    except BundleError as error:
        return ListedBundle(version, None, str(error))
