"""Publishing to a local S3, and listing what is in it."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber
from msgspec.structs import replace
from mypy_boto3_s3 import S3Client

from inference.model.bundle import read_verified, version_of
from inference.model.listing import list_bundles
from inference.model.publish import create_bucket, publish
from tests.conftest import TinyModel
from textclf.app import main


def list_keys(s3: S3Client, bucket: str) -> set[str]:
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {entry["Key"] for entry in listed}


def test_a_bundle_is_stored_under_its_version_and_its_uri_is_printed(
    s3: S3Client, bucket: str, tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a bundle
    version = read_verified(tiny_model.bundle).version
    # WHEN it is published
    assert main(["publish", str(tiny_model.bundle), f"s3://{bucket}/news"]) == 0
    # THEN its files are under its version, and the model URI is printed last
    assert capsys.readouterr().out.split()[-1] == f"s3://{bucket}/news/{version}"
    names = ("manifest.json", "model.onnx", "model.onnx.data", "tokenizer.json")
    assert list_keys(s3, bucket) == {f"news/{version}/{name}" for name in names}


def test_publishing_again_changes_nothing(s3: S3Client, bucket: str, tiny_model: TinyModel) -> None:
    # GIVEN a published bundle, in a bucket that keeps every version of an object
    create_bucket(s3, bucket)
    first = publish(s3, tiny_model.bundle, f"s3://{bucket}")
    # WHEN it is published again
    second = publish(s3, tiny_model.bundle, f"s3://{bucket}")
    # THEN no object has got a second version
    assert first == second
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert len(versions) == len({entry["Key"] for entry in versions})


def test_simultaneous_publishers_write_each_object_once(
    s3: S3Client, bucket: str, tiny_model: TinyModel
) -> None:
    # GIVEN a bucket that keeps every version of an object
    create_bucket(s3, bucket)
    clients = [boto3.client("s3") for _ in range(4)]
    # WHEN four publish the same bundle at the same time
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda c: publish(c, tiny_model.bundle, f"s3://{bucket}"), clients))
    # THEN all succeed and each object has one version
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert len(versions) == len({entry["Key"] for entry in versions}) == 4


def test_a_put_that_conflicts_with_another_is_retried(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an S3 that answers the first put with a conflict, as it does while another one runs
    monkeypatch.setattr("time.sleep", lambda _: None)
    client = boto3.client("s3", region_name="us-east-1")
    stub = Stubber(client)
    stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
    for _ in range(4):
        stub.add_response("put_object", {})
    # WHEN a bundle is published THEN all its objects are put
    with stub:
        publish(client, tiny_model.bundle, "s3://bucket/news")
    stub.assert_no_pending_responses()


def test_an_encryption_that_the_owner_chose_is_kept(s3: S3Client, bucket: str) -> None:
    # GIVEN a bucket that is encrypted with its owner's key
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
    # WHEN it is created if necessary THEN it keeps the key
    create_bucket(s3, bucket)
    assert "the-key" in json.dumps(s3.get_bucket_encryption(Bucket=bucket))


def test_an_unreadable_version_does_not_hide_the_others(
    s3: S3Client, bucket: str, tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(s3, tiny_model.bundle, f"s3://{bucket}/news")
    s3.put_object(Bucket=bucket, Key="news/0123456789abcdef/manifest.json", Body=b"{}")
    assert main(["list", f"s3://{bucket}/news"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("0123456789abcdef  unreadable: manifest.json is of version")
    assert len(lines) == 2


def test_an_object_with_other_content_is_never_overwritten(
    s3: S3Client, bucket: str, tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN another object under the key of the bundle's model
    version = read_verified(tiny_model.bundle).version
    key = f"news/{version}/model.onnx"
    s3.put_object(Bucket=bucket, Key=key, Body=b"other")
    # WHEN the bundle is published THEN that fails
    assert main(["publish", str(tiny_model.bundle), f"s3://{bucket}/news"]) == 1
    assert "exists with other content" in capsys.readouterr().err
    # AND the object is unchanged, and there is no manifest
    assert list_keys(s3, bucket) == {key}
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
    assert main(["publish", str(tmp_path / "bundle"), f"s3://{bucket}/news"]) == 1
    assert f"error: {tmp_path}/bundle: tokenizer.json has 2 bytes" in capsys.readouterr().err
    assert list_keys(s3, bucket) == set()


def test_a_new_bucket_is_private_versioned_and_encrypted(
    s3: S3Client, tiny_model: TinyModel
) -> None:
    # GIVEN no bucket WHEN a bundle is published with --create-bucket, twice
    command = ["publish", str(tiny_model.bundle), "s3://made-here/news", "--create-bucket"]
    assert main(command) == 0
    assert main(command) == 0
    # THEN the bucket is closed to the public, keeps versions and is encrypted
    access = s3.get_public_access_block(Bucket="made-here")["PublicAccessBlockConfiguration"]
    assert all(access.values())
    assert len(access) == 4
    assert s3.get_bucket_versioning(Bucket="made-here")["Status"] == "Enabled"
    rules = s3.get_bucket_encryption(Bucket="made-here")["ServerSideEncryptionConfiguration"]
    assert "AES256" in json.dumps(rules)


def test_a_bucket_is_created_in_the_clients_region(s3_endpoint: str, s3: S3Client) -> None:
    client = boto3.client("s3", region_name="eu-west-1")
    create_bucket(client, "made-in-ireland")
    where = client.get_bucket_location(Bucket="made-in-ireland")["LocationConstraint"]
    assert where == "eu-west-1"


def test_a_listing_shows_each_version_with_its_metrics(
    s3: S3Client, bucket: str, tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = read_verified(tiny_model.bundle)
    publish(s3, tiny_model.bundle, f"s3://{bucket}/news")
    capsys.readouterr()
    assert main(["list", f"s3://{bucket}/news"]) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"{bundle.version}  {bundle.manifest.training['time']}  news  ")
    assert f"accuracy {bundle.manifest.metrics['int8']['accuracy']:.2%} (baseline " in line
    assert line.endswith(" MB\n")


def test_a_model_without_a_time_of_training_is_listed_with_none(
    s3: S3Client, bucket: str, tiny_model: TinyModel
) -> None:
    # GIVEN a bundle that does not say when its model was trained
    manifest = read_verified(tiny_model.bundle).manifest
    data = replace(manifest, training={}).to_bytes()
    s3.put_object(Bucket=bucket, Key=f"news/{version_of(data)}/manifest.json", Body=data)
    # WHEN the store is listed THEN its time is empty
    (listed,) = list_bundles(s3, f"s3://{bucket}/news")
    assert (listed.time, listed.problem) == ("", "")


def test_the_list_of_an_empty_store_says_so(
    s3: S3Client, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", f"s3://{bucket}/news"]) == 0
    assert f"no version in s3://{bucket}/news" in capsys.readouterr().out


@pytest.mark.parametrize("store", ["models/news", "s3://", "https://models/news"])
def test_a_store_must_be_an_s3_uri(
    store: str, s3: S3Client, tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", str(tiny_model.bundle), store]) == 1
    assert "is not an S3 URI" in capsys.readouterr().err
    assert main(["list", store]) == 1
    assert "is not an S3 URI" in capsys.readouterr().err


def test_a_missing_bucket_is_an_error(
    s3: S3Client, tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", str(tiny_model.bundle), "s3://not-there-at-all/news"]) == 1
    assert "NoSuchBucket" in capsys.readouterr().err
