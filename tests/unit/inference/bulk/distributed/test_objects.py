import gzip
import io
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from botocore.response import StreamingBody

from inference.bulk.distributed.objects import MAX_COMPRESSED_BYTES, Objects
from inference.bulk.distributed.run import Source
from inference.bulk.request import BulkError
from inference.tables.layout import Layout
from inference.tables.signatures import find_compression
from tests.unit.inference.bulk.distributed.conftest import Account

CONTENT = b"id,text\n1,Fed\n2,Mars\n"


def make_source(size: int = len(CONTENT), compression: str = "") -> Source:
    return Source(key="in/a", etag='"1"', size=size, compression=compression)


def add_object(account: Account, content: bytes, wanted: str) -> None:
    """Expect a call that reads bytes of an object, in the version of the source."""
    answer: Any = {"Body": StreamingBody(io.BytesIO(content), len(content))}
    request = {"Bucket": "files", "Key": "in/a", "IfMatch": '"1"', "Range": f"bytes={wanted}"}
    account.files.add_response("get_object", answer, request)


def test_a_plain_source_is_read_by_ranges_of_bytes(account: Account) -> None:
    # GIVEN an object that is asked for the bytes of the second row only
    add_object(account, CONTENT[14:], "14-20")
    # WHEN that row is read THEN it is there
    objects = Objects(account.s3, "files")
    assert objects.read_span(make_source(), Layout("csv"), 14, 21) == b"2,Mars\n"


def test_a_plain_source_can_be_read_again_from_its_beginning(account: Account) -> None:
    # GIVEN an object that is asked for twice, since its first bytes are looked at
    add_object(account, CONTENT, "0-")
    add_object(account, CONTENT, "0-")
    file, compression = Objects(account.s3, "files").open_source(make_source())
    # WHEN it is read THEN it is there
    assert (file.read(), compression) == (CONTENT, "")


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        (gzip.compress(CONTENT), Layout("csv")),
        (CONTENT.decode().encode("utf-16"), Layout("csv", "utf-16")),
        (CONTENT.replace(b"\n", b"\r"), Layout("csv", newline="\r")),
    ],
)
def test_other_sources_are_read_as_a_whole(
    content: bytes, layout: Layout, account: Account
) -> None:
    source = make_source(len(content), find_compression(content))
    add_object(account, content, "0-")
    add_object(account, content, "0-")
    assert Objects(account.s3, "files").read_span(source, layout, 14, 21) == b"2,Mars\n"


@pytest.mark.parametrize(
    ("compress", "layout"),
    [(gzip.compress, Layout("csv")), (bytes, Layout("csv", "utf-16-le"))],
)
def test_what_is_before_a_range_is_not_held_in_memory(
    compress: Callable[[bytes], bytes], layout: Layout, account: Account
) -> None:
    # GIVEN a range after 24 MiB of other rows
    size = 24 << 20
    rows = "x" * size + "2,Mars\n"
    content = compress(rows.encode(layout.encoding))
    source = make_source(len(content), find_compression(content))
    add_object(account, content, "0-")
    # WHEN it is read
    tracemalloc.start()
    try:
        span = Objects(account.s3, "files").read_span(source, layout, size, size + 7)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # THEN it is there, and never took the memory for the others
    assert span == b"2,Mars\n"
    assert peak < size / 2


@pytest.mark.parametrize(
    ("head", "size", "message"),
    [
        (b"\x28\xb5\x2f\xfd", 4, "in/a: a stack reads neither Parquet nor zstd"),
        (b"\x1f\x8b", MAX_COMPRESSED_BYTES + 1, "split compressed files of more than"),
    ],
)
def test_what_the_steps_cannot_read_is_an_error(
    head: bytes, size: int, message: str, account: Account
) -> None:
    add_object(account, head.ljust(600), "0-")
    with pytest.raises(BulkError, match=message):
        Objects(account.s3, "files").open_source(make_source(size))


def test_numbers_are_written_and_read_as_metadata(account: Account) -> None:
    # GIVEN an object that is written with a number
    wanted = {"Bucket": "files", "Key": "part", "Body": b"x", "Metadata": {"rows": "7"}}
    account.files.add_response("put_object", {}, wanted)
    objects = Objects(account.s3, "files")
    objects.put("part", b"x", {"rows": 7})
    # WHEN its metadata is read THEN the number is there
    request = {"Bucket": "files", "Key": "part"}
    account.files.add_response("head_object", {"Metadata": {"rows": "7"}}, request)
    assert objects.read_metadata("part") == {"rows": 7}


def test_an_object_that_does_not_exist_has_no_metadata(account: Account) -> None:
    account.files.add_client_error("head_object", "404")
    assert Objects(account.s3, "files").read_metadata("part") is None
