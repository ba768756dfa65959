import gzip
import io
from typing import Any

from botocore.response import StreamingBody

from inference.bulk.distributed.objects import Objects
from inference.bulk.distributed.run import Source
from tests.unit.inference.bulk.distributed.conftest import Account

CONTENT = b"id,text\n1,Fed\n2,Mars\n"


def make_source(compression: str = "") -> Source:
    return Source(key="in/a", etag='"1"', size=10, file_format="csv", compression=compression)


def add_object(account: Account, content: bytes, **request: str) -> None:
    """Expect a call that reads an object, in the version of the source."""
    answer: Any = {"Body": StreamingBody(io.BytesIO(content), len(content))}
    wanted = {"Bucket": "files", "Key": "in/a", "IfMatch": '"1"', **request}
    account.files.add_response("get_object", answer, wanted)


def test_a_plain_source_is_read_by_ranges_of_bytes(account: Account) -> None:
    # GIVEN an object that is asked for the bytes of the second row only
    add_object(account, CONTENT[14:], Range="bytes=14-20")
    # WHEN an empty span and that row are read THEN both are there
    spans = Objects(account.s3, "files").read_spans(make_source(), [(0, 0), (14, 21)])
    assert spans == [b"", b"2,Mars\n"]


def test_a_compressed_source_is_read_as_a_whole(account: Account) -> None:
    add_object(account, gzip.compress(CONTENT))
    spans = Objects(account.s3, "files").read_spans(make_source("gz"), [(0, 8), (14, 21)])
    assert spans == [b"id,text\n", b"2,Mars\n"]


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
