"""Copies of a bundle in other regions, over a local S3."""

from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client

from inference.model.publish import publish
from inference.model.store import fetch
from inference.s3_uri import S3UriError
from operations.regions import store_in
from tests.conftest import SAMPLE_MODEL
from textclf.app import main


def test_a_bundle_is_copied_with_its_version(
    s3: S3Client, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a published bundle
    uri = publish(s3, SAMPLE_MODEL, f"s3://{bucket}/news")
    version = uri.rpartition("/")[2]
    # WHEN it is copied to a region, even twice
    assert main(["replicate", uri, "eu-west-1"]) == 0
    assert main(["replicate", uri, "eu-west-1"]) == 0
    # THEN the same version is in a bucket of that region
    copied = f"s3://{bucket}-eu-west-1/news/{version}"
    assert capsys.readouterr().out.splitlines() == [copied, copied]
    assert fetch(copied, tmp_path, 60).version == version
    location = s3.get_bucket_location(Bucket=f"{bucket}-eu-west-1")
    assert location["LocationConstraint"] == "eu-west-1"
    versioning = s3.get_bucket_versioning(Bucket=f"{bucket}-eu-west-1")
    assert versioning["Status"] == "Enabled"


def test_a_copy_of_a_damaged_bundle_is_refused(
    s3: S3Client, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a published bundle with another tokenizer
    uri = publish(s3, SAMPLE_MODEL, f"s3://{bucket}/news")
    key = uri.removeprefix(f"s3://{bucket}/")
    s3.put_object(Bucket=bucket, Key=f"{key}/tokenizer.json", Body=b"{}")
    # WHEN it is copied THEN that is an error, and nothing has been published there
    assert main(["replicate", uri, "eu-west-1"]) == 1
    assert "tokenizer.json" in capsys.readouterr().err
    assert "Contents" not in s3.list_objects_v2(Bucket=f"{bucket}-eu-west-1")


def test_a_bucket_that_names_its_region_is_kept() -> None:
    assert store_in("s3://models-eu-west-1/a/b/0123", "eu-west-1") == "s3://models-eu-west-1/a/b"
    assert store_in("s3://models/0123", "eu-west-1") == "s3://models-eu-west-1"


def test_a_bundle_on_disk_cannot_be_copied() -> None:
    with pytest.raises(S3UriError):
        store_in("file:///models", "eu-west-1")
