"""Read and write the objects of a bulk run in S3."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from botocore.exceptions import ClientError

from inference.bulk.distributed.run import Source
from inference.bulk.distributed.sources import NOT_READ
from inference.bulk.request import BulkError
from inference.tables.compression import decompress
from inference.tables.encodings import open_as_utf8
from inference.tables.layout import Layout
from inference.tables.signatures import HEAD_BYTES, find_compression

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

MAX_COMPRESSED_BYTES = 256 << 20  # to score a range, a step reads the file up to the range's end
SKIPPED_BYTES = 1 << 20  # at a time: what is before a range may be more than the memory


@dataclass(frozen=True)
class Objects:
    """The objects in one bucket."""

    s3: "S3Client"
    bucket: str

    def get(self, key: str) -> bytes:
        """Read an object."""
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def put(self, key: str, body: bytes, metadata: Mapping[str, int] | None = None) -> None:
        """Write an object, with numbers as its metadata."""
        numbers = {name: str(number) for name, number in (metadata or {}).items()}
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, Metadata=numbers)

    def read_metadata(self, key: str) -> dict[str, int] | None:
        """Read the numbers that were written with an object; None if there is no object."""
        try:
            metadata = self.s3.head_object(Bucket=self.bucket, Key=key)["Metadata"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "404":
                return None
            raise
        return {name: int(number) for name, number in metadata.items()}

    def list_keys(self, prefix: str) -> list[str]:
        """List the keys under a prefix, in order."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def open_source(self, source: Source) -> tuple[BinaryIO, str]:
        """Open the decompressed content of a source; returns how it is compressed, too.

        A plain one is streamed. It can be read from any byte, each time with a new request.

        Raises:
            BulkError: it is compressed and too long, or holds no table.
        """
        raw = cast(BinaryIO, io.BufferedReader(_ObjectFile(self.s3, self.bucket, source), 1 << 20))
        compression = find_compression(raw.read(HEAD_BYTES))
        raw.seek(0)
        if not compression:
            return raw, ""
        if compression == "zst":
            raise BulkError(f"{source.key}: {NOT_READ}")
        if source.size > MAX_COMPRESSED_BYTES:
            raise BulkError(
                f"{source.key} has {source.size} bytes: "
                f"split compressed files of more than {MAX_COMPRESSED_BYTES}"
            )
        file, _ = decompress(io.BytesIO(raw.read()), compression)
        return file, compression

    def read_span(self, source: Source, layout: Layout, begin: int, end: int) -> bytes:
        """Read the bytes of a range of the decompressed content, as UTF-8."""
        if not source.compression and layout.is_plain:
            return self._read_range(source, begin, end)
        file, _ = self.open_source(source)
        with file:
            content = open_as_utf8(file, layout.encoding, layout.newline)
            _skip(content, begin)
            return content.read(end - begin)

    def _read_range(self, source: Source, begin: int, end: int) -> bytes:
        answer = self.s3.get_object(
            Bucket=self.bucket,
            Key=source.key,
            IfMatch=source.etag,
            Range=f"bytes={begin}-{end - 1}",
        )
        return answer["Body"].read()


def _skip(file: BinaryIO, count: int) -> None:
    """Read some bytes, and keep none of them."""
    while count and (data := file.read(min(count, SKIPPED_BYTES))):
        count -= len(data)


class _ObjectFile(io.RawIOBase):
    """One version of an object as a file; it is read in one request until it is sought."""

    def __init__(self, s3: "S3Client", bucket: str, source: Source) -> None:
        self._s3, self._bucket, self._source = s3, bucket, source
        self._position = 0
        self._body: StreamingBody | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            offset += self._source.size
        if offset != self._position:
            self._close_body()
        self._position = offset
        return offset

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        if self._position >= self._source.size:
            return 0
        if self._body is None:
            answer = self._s3.get_object(
                Bucket=self._bucket,
                Key=self._source.key,
                IfMatch=self._source.etag,
                Range=f"bytes={self._position}-",
            )
            self._body = answer["Body"]
        data = self._body.read(len(target))
        target[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._close_body()
        super().close()

    def _close_body(self) -> None:
        if self._body is not None:
            self._body.close()
        self._body = None
