"""Fetching bundles from a local S3 and from disk."""

import shutil
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client

from inference.model.bundle import read_verified
from inference.model.store import StoreError, fetch, fetch_manifest
from tests.conftest import TinyModel


def test_a_bundle_is_downloaded_and_verified(
    uri: str, tmp_path: Path, tiny_model: TinyModel
) -> None:
    bundle = fetch(uri, tmp_path, timeout=10)
    published = read_verified(tiny_model.bundle)
    assert (bundle.manifest, bundle.version) == (published.manifest, published.version)
    assert bundle.folder == tmp_path / bundle.version
    assert [path.name for path in tmp_path.iterdir()] == [bundle.version]


def test_a_local_folder_is_read_in_place(tiny_model: TinyModel, tmp_path: Path) -> None:
    bundle = fetch(tiny_model.bundle.as_uri(), tmp_path, timeout=10)
    assert bundle.folder == tiny_model.bundle
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket",
        "s3://bucket/news/latest",
        "s3:///0123456789abcdef",
        "https://bucket/0123456789abcdef",
    ],
)
def test_a_uri_needs_a_bucket_and_a_version(uri: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not of the form"):
        fetch(uri, tmp_path, timeout=10)


def test_a_local_folder_named_after_a_version_must_be_that_version(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    shutil.copytree(tiny_model.bundle, tmp_path / "0123456789abcdef")
    with pytest.raises(StoreError, match="not 0123456789abcdef"):
        fetch((tmp_path / "0123456789abcdef").as_uri(), tmp_path, timeout=10)


@pytest.mark.parametrize("scheme", ["s3", "file"])
def test_a_manifest_is_fetched_without_the_other_files(
    uri: str, tiny_model: TinyModel, scheme: str
) -> None:
    # GIVEN a bundle in S3 or on disk WHEN its manifest is fetched
    published = fetch_manifest(uri if scheme == "s3" else tiny_model.bundle.as_uri())
    # THEN it is the bundle's, and so is the version
    bundle = read_verified(tiny_model.bundle)
    assert (published.manifest, published.version) == (bundle.manifest, bundle.version)


def test_a_missing_manifest_is_an_error(s3: S3Client, bucket: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="NoSuchKey"):
        fetch_manifest(f"s3://{bucket}/news/0123456789abcdef")
    with pytest.raises(StoreError, match="No such file"):
        fetch_manifest((tmp_path / "nothing").as_uri())
