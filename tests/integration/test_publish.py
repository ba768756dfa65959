import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber
from mypy_boto3_s3 import S3Client

from inference.model import publish
from inference.model.bundle import read_verified
from tests.conftest import TinyModel


def keys(s3: S3Client, bucket: str) -> dict[str, str]:
    """The version id of every object of a bucket."""
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {entry["Key"]: entry["ETag"] for entry in listed}


def test_a_bundle_goes_under_its_version_and_the_uri_is_printed(
    s3: S3Client, bucket: str, tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a bundle
    _, version = read_verified(tiny_model.bundle)
    # WHEN it is published
    code = publish.main([str(tiny_model.bundle), "--to", f"s3://{bucket}/news"])
    # THEN its files are under its version and the last word is the model URI
    assert code == 0
    assert capsys.readouterr().out.split()[-1] == f"s3://{bucket}/news/{version}"
    names = ("manifest.json", "model.onnx", "model.onnx.data", "tokenizer.json")
    assert set(keys(s3, bucket)) == {f"news/{version}/{name}" for name in names}


def test_publishing_again_changes_nothing(s3: S3Client, bucket: str, tiny_model: TinyModel) -> None:
    # GIVEN a published bundle in a bucket that would keep every version of an object
    publish.create_bucket(s3, bucket)
    first = publish.publish(s3, tiny_model.bundle, f"s3://{bucket}")
    # WHEN it is published again
    second = publish.publish(s3, tiny_model.bundle, f"s3://{bucket}")
    # THEN no object got a second version
    assert first == second
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert len(versions) == len({entry["Key"] for entry in versions})


def test_publishers_at_once_write_each_object_once(
    s3: S3Client, bucket: str, tiny_model: TinyModel
) -> None:
    # GIVEN a bucket that keeps every version of an object
    publish.create_bucket(s3, bucket)
    clients = [boto3.client("s3") for _ in range(4)]
    # WHEN four publish the same bundle at once
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda c: publish.publish(c, tiny_model.bundle, f"s3://{bucket}"), clients))
    # THEN all succeed and each object has one version
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert len(versions) == len({entry["Key"] for entry in versions}) == 4


def test_a_put_that_meets_another_is_tried_again(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an S3 that answers the first put with a conflict, as while another one runs
    monkeypatch.setattr("time.sleep", lambda _: None)
    client = boto3.client("s3", region_name="us-east-1")
    stub = Stubber(client)
    stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
    for _ in range(4):
        stub.add_response("put_object", {})
    # WHEN a bundle is published THEN all its objects are put
    with stub:
        publish.publish(client, tiny_model.bundle, "s3://bucket/news")
    stub.assert_no_pending_responses()


def test_an_encryption_of_the_owners_choice_stays(s3: S3Client, bucket: str) -> None:
    # GIVEN a bucket with a key of its owner's
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [
                {
                    "ApplyServerSideEncryptionByDefault": {
                        "SSEAlgorithm": "aws:kms",
                        "KMSMasterKeyID": "the-key",
                    }
                }
            ]
        },
    )
    # WHEN it is to be made if it is not there THEN its key stays
    publish.create_bucket(s3, bucket)
    assert "the-key" in json.dumps(s3.get_bucket_encryption(Bucket=bucket))


def test_a_version_that_cannot_be_read_does_not_hide_the_others(
    s3: S3Client, bucket: str, tiny_model: TinyModel
) -> None:
    publish.publish(s3, tiny_model.bundle, f"s3://{bucket}/news")
    s3.put_object(Bucket=bucket, Key="news/0123456789abcdef/manifest.json", Body=b"{}")
    lines = publish.listing(s3, f"s3://{bucket}/news")
    assert lines[0].startswith("0123456789abcdef  unreadable: manifest.json is of version")
    assert len(lines) == 2


def test_an_object_with_other_content_is_never_overwritten(
    s3: S3Client, bucket: str, tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN somebody's object under the key of the bundle's model
    _, version = read_verified(tiny_model.bundle)
    key = f"news/{version}/model.onnx"
    s3.put_object(Bucket=bucket, Key=key, Body=b"other")
    # WHEN the bundle is published
    code = publish.main([str(tiny_model.bundle), "--to", f"s3://{bucket}/news"])
    # THEN it says so, leaves the object and writes no manifest
    assert code == 1
    assert "is there with other content" in capsys.readouterr().err
    assert set(keys(s3, bucket)) == {key}
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"other"


def test_a_damaged_bundle_is_not_published(
    s3: S3Client,
    bucket: str,
    tiny_model: TinyModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(tiny_model.bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "tokenizer.json").write_text("{}")
    assert publish.main([str(tmp_path / "bundle"), "--to", f"s3://{bucket}/news"]) == 1
    assert "tokenizer.json has 2 bytes" in capsys.readouterr().err
    assert keys(s3, bucket) == {}


def test_a_bucket_is_made_private_versioned_and_encrypted(
    s3: S3Client, tiny_model: TinyModel
) -> None:
    # GIVEN no bucket WHEN a bundle is published with --create-bucket, twice
    options = [str(tiny_model.bundle), "--to", "s3://made-here/news", "--create-bucket"]
    assert publish.main(options) == 0
    assert publish.main(options) == 0
    # THEN it is closed to the public, keeps versions and encrypts
    access = s3.get_public_access_block(Bucket="made-here")["PublicAccessBlockConfiguration"]
    assert all(access.values())
    assert len(access) == 4
    assert s3.get_bucket_versioning(Bucket="made-here")["Status"] == "Enabled"
    rules = s3.get_bucket_encryption(Bucket="made-here")["ServerSideEncryptionConfiguration"]
    assert "AES256" in json.dumps(rules)


def test_a_bucket_is_made_in_the_clients_region(s3_endpoint: str, s3: S3Client) -> None:
    client = boto3.client("s3", region_name="eu-west-1")
    publish.create_bucket(client, "made-in-ireland")
    where = client.get_bucket_location(Bucket="made-in-ireland")["LocationConstraint"]
    assert where == "eu-west-1"


def test_a_listing_shows_each_version_with_its_metrics(
    s3: S3Client, bucket: str, tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, version = read_verified(tiny_model.bundle)
    publish.publish(s3, tiny_model.bundle, f"s3://{bucket}/news")
    capsys.readouterr()
    assert publish.main(["--list", f"s3://{bucket}/news"]) == 0
    line = capsys.readouterr().out
    assert line.startswith(version)
    assert f"accuracy {manifest.metrics['int8']['accuracy']:.2%}" in line
    assert "baseline" in line


def test_an_empty_store_is_said_to_be_empty(
    s3: S3Client, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish.main(["--list", f"s3://{bucket}/news"]) == 0
    assert "no version in" in capsys.readouterr().out


@pytest.mark.parametrize("store", ["models/news", "s3://", "https://models/news"])
def test_a_store_that_is_no_s3_uri_is_an_error(
    store: str, s3: S3Client, tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish.main([str(tiny_model.bundle), "--to", store]) == 1
    assert "is not of the form s3://BUCKET/PREFIX" in capsys.readouterr().err


def test_a_bucket_that_is_not_there_is_an_error(
    s3: S3Client, tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish.main([str(tiny_model.bundle), "--to", "s3://not-there-at-all/news"]) == 1
    assert "NoSuchBucket" in capsys.readouterr().err
