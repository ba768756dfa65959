from typing import Any

import pytest

from inference.bulk.distributed.run import Source
from inference.bulk.distributed.sources import (
    MAX_BYTES,
    MAX_COMPRESSED_BYTES,
    list_sources,
    parse_prefix,
)
from inference.bulk.request import BulkError
from inference.errors import TextClassifierError
from tests.unit.inference.bulk.distributed.conftest import Account

SOURCE = Source(key="in/a.csv", etag='"1"', size=10, file_format="csv", compression="")


def add_listing(account: Account, prefix: str, **sizes: int) -> None:
    found = [{"Key": key, "ETag": '"1"', "Size": size} for key, size in sizes.items()]
    answer: Any = {"Contents": found, "IsTruncated": False}
    account.files.add_response("list_objects_v2", answer, {"Bucket": "files", "Prefix": prefix})


def test_a_prefix_stands_for_all_files_under_it(account: Account) -> None:
    add_listing(account, "in/", **{"in/": 0, "in/a.csv": 10, "in/b/c.jsonl.gz": 20})
    compressed = Source(
        key="in/b/c.jsonl.gz", etag='"1"', size=20, file_format="jsonl", compression="gz"
    )
    assert list_sources(account.s3, "files", "s3://files/in/", None) == [SOURCE, compressed]


def test_a_uri_without_a_slash_at_its_end_stands_for_one_file(account: Account) -> None:
    add_listing(account, "in/a.csv", **{"in/a.csv": 10, "in/a.csv.gz": 10})
    assert list_sources(account.s3, "files", "s3://files/in/a.csv", None) == [SOURCE]


def test_a_given_format_applies_to_every_file(account: Account) -> None:
    add_listing(account, "in/", **{"in/a.csv": 10, "in/b.txt": 10})
    found = list_sources(account.s3, "files", "s3://files/in/", "tsv")
    assert [source.file_format for source in found] == ["tsv", "tsv"]


@pytest.mark.parametrize(
    ("key", "size", "message"),
    [
        ("in/a.parquet", 1, "neither Parquet nor zstd"),
        ("in/a.csv.zst", 1, "neither Parquet nor zstd"),
        ("in/a.doc", 1, "cannot tell the format of in/a.doc"),
        ("in/a.csv", MAX_BYTES + 1, f"split files of more than {MAX_BYTES}"),
        (
            "in/a.csv.gz",
            MAX_COMPRESSED_BYTES + 1,
            f"split compressed files of more than {MAX_COMPRESSED_BYTES}",
        ),
        ("in/a.csv", 0, "there is nothing at s3://files/in/"),
    ],
)
def test_a_file_that_the_steps_cannot_read_is_refused_before_they_start(
    key: str, size: int, message: str, account: Account
) -> None:
    add_listing(account, "in/", **{key: size})
    with pytest.raises(TextClassifierError, match=message):
        list_sources(account.s3, "files", "s3://files/in/", None)


@pytest.mark.parametrize("uri", ["s3://other/in/", "in.csv", "s3://files2/in/"])
def test_only_the_stacks_bucket_can_be_used(uri: str) -> None:
    with pytest.raises(BulkError, match="is not in s3://files, the stack's BulkBucket"):
        parse_prefix(uri, "files")


@pytest.mark.parametrize("uri", ["s3://files/out", "s3://files/out/"])
def test_a_prefix_has_no_slash_at_its_end(uri: str) -> None:
    assert parse_prefix(uri, "files") == "out"
