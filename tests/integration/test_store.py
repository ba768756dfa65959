import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client

from inference.bundle import read_verified
from inference.store import Bundle, StoreError, fetch
from tests.conftest import TinyModel
from tests.integration.faults import Fault, faulty_proxy
from training.publish import publish


@pytest.fixture
def uri(s3: S3Client, bucket: str, tiny_model: TinyModel) -> str:
    """The URI of the tiny model in the local S3."""
    return publish(s3, tiny_model.bundle, f"s3://{bucket}/news")


def get(uri: str, cache: Path) -> Bundle:
    return fetch(uri, cache, timeout=10)


def key_of(uri: str, name: str) -> str:
    return uri.removeprefix("s3://").partition("/")[2] + "/" + name


def test_a_bundle_is_pulled_and_verified(uri: str, tmp_path: Path, tiny_model: TinyModel) -> None:
    bundle = get(uri, tmp_path)
    assert (bundle.manifest, bundle.version) == read_verified(tiny_model.bundle)
    assert bundle.folder == tmp_path / bundle.version
    assert [path.name for path in tmp_path.iterdir()] == [bundle.version]


def test_a_cached_bundle_needs_no_store(
    uri: str, s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    # GIVEN a bundle in the cache
    first = get(uri, tmp_path)
    # WHEN its objects are gone THEN it is still had
    for name in ("manifest.json", "model.onnx", "tokenizer.json"):
        s3.delete_object(Bucket=bucket, Key=key_of(uri, name))
    assert get(uri, tmp_path) == first


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx", "tokenizer.json"])
def test_a_flipped_bit_in_the_store_is_refused(
    uri: str, s3: S3Client, bucket: str, tmp_path: Path, name: str
) -> None:
    # GIVEN one bit of one object is another
    data = bytearray(s3.get_object(Bucket=bucket, Key=key_of(uri, name))["Body"].read())
    data[len(data) // 2] ^= 1
    s3.put_object(Bucket=bucket, Key=key_of(uri, name), Body=bytes(data))
    # WHEN the bundle is pulled THEN it is refused and nothing of it stays
    with pytest.raises(StoreError, match=name):
        get(uri, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_object_is_refused(uri: str, s3: S3Client, bucket: str, tmp_path: Path) -> None:
    data = s3.get_object(Bucket=bucket, Key=key_of(uri, "model.onnx"))["Body"].read()
    s3.put_object(Bucket=bucket, Key=key_of(uri, "model.onnx"), Body=data[:-1])
    with pytest.raises(StoreError, match=f"has {len(data) - 1} bytes, not {len(data)}"):
        get(uri, tmp_path)


@pytest.mark.parametrize("name", ["manifest.json", "tokenizer.json"])
def test_a_missing_object_is_an_error(
    uri: str, s3: S3Client, bucket: str, tmp_path: Path, name: str
) -> None:
    s3.delete_object(Bucket=bucket, Key=key_of(uri, name))
    with pytest.raises(StoreError, match="NoSuchKey"):
        get(uri, tmp_path)


def test_a_damaged_cache_is_replaced(uri: str, tmp_path: Path) -> None:
    # GIVEN a cached bundle with a file damaged on disk
    first = get(uri, tmp_path)
    (first.folder / "model.onnx").write_bytes(b"damaged")
    # WHEN it is had again THEN it was pulled again
    assert get(uri, tmp_path) == first
    read_verified(first.folder, first.version)


def test_many_that_pull_at_once_share_one_cache(uri: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        bundles = list(pool.map(lambda _: get(uri, tmp_path), range(4)))
    assert all(bundle == bundles[0] for bundle in bundles)
    assert [path.name for path in tmp_path.iterdir()] == [bundles[0].version]


def test_a_cache_that_cannot_be_written_is_an_error(uri: str, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cache"):
        get(uri, tmp_path / "cache")


@pytest.mark.parametrize(
    "uri", ["s3://bucket", "s3://bucket/news/latest", "s3:///0123456789abcdef"]
)
def test_a_uri_without_a_version_is_an_error(uri: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not of the form"):
        get(uri, tmp_path)


def test_a_store_that_does_not_answer_is_an_error(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")  # discard: nothing listens
    with pytest.raises(StoreError, match="Could not connect"):
        get(uri, tmp_path)


@pytest.fixture
def faulty(
    s3_endpoint: str, s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Fault], None]]:
    """A function that puts a fault between the code under test and the local S3."""
    with ExitStack() as stack:

        def arrange(fault: Fault) -> None:
            url = stack.enter_context(faulty_proxy(s3_endpoint, fault))
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)

        yield arrange


@pytest.mark.parametrize("fault", ["silent", "drip"])
def test_a_store_that_keeps_one_waiting_is_given_up_in_time(
    uri: str, tmp_path: Path, faulty: Callable[[Fault], None], fault: Fault
) -> None:
    # GIVEN an S3 that takes the request and says nothing, or a byte now and then
    faulty(fault)
    # WHEN the bundle is pulled
    started = time.monotonic()
    with pytest.raises(StoreError):
        fetch(uri, tmp_path, timeout=1.5)
    # THEN it is given up when it was said to be
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("fault", ["reset once", "error once"])
def test_a_fault_that_passes_is_survived(
    uri: str, tmp_path: Path, faulty: Callable[[Fault], None], fault: Fault
) -> None:
    # GIVEN an S3 that breaks off each object once midway, or answers 500 once
    faulty(fault)
    # WHEN the bundle is pulled THEN it is had
    assert get(uri, tmp_path).version in uri


def test_a_connection_that_always_breaks_is_an_error(
    uri: str, tmp_path: Path, faulty: Callable[[Fault], None]
) -> None:
    faulty("reset")
    with pytest.raises(StoreError, match="total bytes expected"):
        get(uri, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_local_folder_is_read_in_place(tiny_model: TinyModel, tmp_path: Path) -> None:
    bundle = get(tiny_model.bundle.as_uri(), tmp_path)
    assert bundle.folder == tiny_model.bundle


def test_a_local_folder_named_by_a_version_must_be_that_version(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    shutil.copytree(tiny_model.bundle, tmp_path / "0123456789abcdef")
    with pytest.raises(StoreError, match="not 0123456789abcdef"):
        get((tmp_path / "0123456789abcdef").as_uri(), tmp_path)
