"""Read compressed files."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from typing import BinaryIO, Protocol, cast

from inference.tables.formats import require_pyarrow
from inference.tables.readers import RewindableReader, prepend
from inference.tables.signatures import HEAD_BYTES, find_compression, open_member

READ_BYTES = 1 << 16


class Decompressor(Protocol):
    """What the decompressors of bz2 and lzma have in common."""

    @property
    def eof(self) -> bool:
        """Whether the file has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether more data is needed to go on."""

    @property
    def unused_data(self) -> bytes:
        """What came after the end of the file."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return a part of the content."""


def decompress(raw: BinaryIO, compression: str | None = None) -> tuple[BinaryIO, str]:
    """Return a file with the decompressed content of another, and a note for the user.

    Args:
        raw: a file, which may be plain.
        compression: how it is compressed; None: its first bytes say it.

    Raises:
        TableError: it is an archive without a table, or needs pyarrow.
    """
    if compression is None:
        compression = find_compression(raw.read(HEAD_BYTES))
        raw.seek(0)
    if compression == "gz":
        return cast(BinaryIO, gzip.open(raw)), ""
    if compression == "bz2":
        return _buffer(_JoinedReader(raw, bz2.BZ2Decompressor)), ""
    if compression == "xz":
        return _buffer(_JoinedReader(raw, lzma.LZMADecompressor)), ""
    if compression == "zip":
        return open_member(raw)
    if compression == "zst":
        require_pyarrow("a zstd file")
        return _buffer(_ZstdReader(raw)), ""
    return raw, ""


def _buffer(reader: RewindableReader) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(reader, READ_BYTES))


class _JoinedReader(RewindableReader):
    """The content of one or more compressed files in a row.

    Python's own readers drop, without a word, whatever comes after the first file if its
    beginning is damaged.
    """

    def __init__(self, file: BinaryIO, make_decompressor: Callable[[], Decompressor]) -> None:
        self._make_decompressor = make_decompressor
        super().__init__(file)

    def start(self) -> None:
        self._decompressor = self._make_decompressor()

    def get(self, size: int) -> bytes:
        while True:
            data = b""
            if self._decompressor.eof:
                data = self._read_next()
                if not data:
                    return b""
                self._decompressor = self._make_decompressor()
            elif self._decompressor.needs_input:
                data = self.file.read(READ_BYTES)
                if not data:
                    raise EOFError("it ends in the middle of its compressed content")
            if content := self._decompressor.decompress(data, size):
                return content

    def _read_next(self) -> bytes:
        """Return the beginning of the next compressed file, after the zeros that may fill a gap."""
        data = self._decompressor.unused_data.lstrip(b"\0")
        while not data:
            read = self.file.read(READ_BYTES)
            if not read:
                return b""
            data = read.lstrip(b"\0")
        return data


class _ZstdReader(RewindableReader):
    """The content of a zstd file."""

    def start(self) -> None:
        import pyarrow  # not in the Lambda image

        shielded = prepend(b"", self.file)  # pyarrow closes the file that it is given
        self._content = pyarrow.CompressedInputStream(shielded, "zstd")

    def get(self, size: int) -> bytes:
        return bytes(self._content.read(size))
