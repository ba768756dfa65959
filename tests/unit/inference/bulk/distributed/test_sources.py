from typing import Any

import pytest

from inference.bulk.distributed.run import Source
from inference.bulk.distributed.sources import (
    MAX_BYTES,
    list_sources,
    parse_prefix,
)
from inference.bulk.request import BulkError
from inference.errors import TextClassifierError
from tests.unit.inference.bulk.distributed.conftest import Account

SOURCE = Source(key="in/a.csv", etag='"1"', size=10)


def add_listing(account: Account, prefix: str, **sizes: int) -> None:
    found = [{"Key": key, "ETag": '"1"', "Size": size} for key, size in sizes.items()]
    answer: Any = {"Contents": found, "IsTruncated": False}
    account.files.add_response("list_objects_v2", answer, {"Bucket": "files", "Prefix": prefix})


def test_a_prefix_stands_for_all_files_under_it(account: Account) -> None:
    add_listing(account, "in/", **{"in/": 0, "in/a.csv": 10, "in/b/c.jsonl.gz": 20})
    compressed = Source(key="in/b/c.jsonl.gz", etag='"1"', size=20)
    assert list_sources(account.s3, "files", "s3://files/in/") == [SOURCE, compressed]


def test_a_uri_without_a_slash_at_its_end_stands_for_one_file(account: Account) -> None:
    add_listing(account, "in/a.csv", **{"in/a.csv": 10, "in/a.csv.gz": 10})
    assert list_sources(account.s3, "files", "s3://files/in/a.csv") == [SOURCE]


@pytest.mark.parametrize(
    ("key", "size", "message"),
    [
        ("in/a.parquet", 1, "neither Parquet nor zstd"),
        ("in/a.csv.zst", 1, "neither Parquet nor zstd"),
        ("in/a.csv", MAX_BYTES + 1, f"split files of more than {MAX_BYTES}"),
        ("in/a.csv", 0, "there is nothing at s3://files/in/"),
    ],
)
def test_a_file_that_the_steps_cannot_read_is_refused_before_they_start(
    key: str, size: int, message: str, account: Account
) -> None:
    add_listing(account, "in/", **{key: size})
    with pytest.raises(TextClassifierError, match=message):
        list_sources(account.s3, "files", "s3://files/in/")


@pytest.mark.parametrize("uri", ["s3://other/in/", "in.csv", "s3://files2/in/"])
def test_only_the_stacks_bucket_can_be_used(uri: str) -> None:
    with pytest.raises(BulkError, match="is not in s3://files, the stack's BulkBucket"):
        parse_prefix(uri, "files")


@pytest.mark.parametrize("uri", ["s3://files/out", "s3://files/out/"])
def test_a_prefix_has_no_slash_at_its_end(uri: str) -> None:
    assert parse_prefix(uri, "files") == "out"
