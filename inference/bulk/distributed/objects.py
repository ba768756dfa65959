"""Read and write the objects of a bulk run in S3."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from botocore.exceptions import ClientError

from inference.bulk.distributed.run import Source
from inference.tables.inputs import decompress

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUFFER_BYTES = 1 << 20
Span = tuple[int, int]  # from a byte to the one before another


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

    def open_source(self, source: Source) -> BinaryIO:
        """Open the decompressed content of a source; a plain one is streamed."""
        answer = self.s3.get_object(Bucket=self.bucket, Key=source.key, IfMatch=source.etag)
        if not source.compression:
            return cast(BinaryIO, io.BufferedReader(cast(Any, answer["Body"]), BUFFER_BYTES))
        return decompress(io.BytesIO(answer["Body"].read()), source.compression)

    def read_spans(self, source: Source, spans: Sequence[Span]) -> list[bytes]:
        """Read parts of the decompressed content of a source, in ascending order."""
        if not source.compression:
            return [self._read_range(source, begin, end) for begin, end in spans]
        contents = []
        with self.open_source(source) as file:
            for begin, end in spans:
                file.seek(begin)
                contents.append(file.read(end - begin))
        return contents

    def _read_range(self, source: Source, begin: int, end: int) -> bytes:
        if begin == end:
            return b""  # which the HTTP header cannot ask for
        answer = self.s3.get_object(
            Bucket=self.bucket,
            Key=source.key,
            IfMatch=source.etag,
            Range=f"bytes={begin}-{end - 1}",
        )
        return answer["Body"].read()
