"""Read a file in blocks of whole lines, in bounded memory."""

from collections.abc import Callable
from typing import BinaryIO, NamedTuple

BLOCK_BYTES = 1 << 20
MAX_ROW_BYTES = 64 << 20  # of one row: what a function of 1,769 MB can hold several times


class Block(NamedTuple):
    """Whole lines, or one line that lost its end because it is too long."""

    data: bytes
    lost: int = 0  # bytes

    @property
    def size(self) -> int:
        """The bytes that it has in the file."""
        return len(self.data) + self.lost


class Blocks:
    """Reads the blocks of a file one after the other."""

    def __init__(
        self,
        file: BinaryIO,
        *,
        limit: int | None = None,
        watch: Callable[[bytes], None] | None = None,
    ) -> None:
        """Prepare to read.

        Args:
            file: the content, from where it is now.
            limit: about how many bytes to read; the line that they end in is left out.
            watch: is called with the data of every block.
        """
        self._file, self._left, self._watch = file, limit, watch
        self._rest = b""  # the beginning of the next line

    def read(self, size: int = BLOCK_BYTES) -> Block | None:
        """Read about this many bytes, more if a line is longer; None at the end."""
        block = self._read(size)
        if block and self._watch:
            self._watch(block.data)
        return block

    def read_through(self) -> None:
        """Read to the end, so that the checks see every line."""
        while self.read():
            pass

    def _read(self, size: int) -> Block | None:
        data, self._rest = self._rest, b""
        pieces, length = [data], len(data)
        while data := self._read_file(size):
            end = data.rfind(b"\n") + 1
            if end and length + data.find(b"\n") < MAX_ROW_BYTES:
                self._rest = data[end:]
                return Block(b"".join([*pieces, data[:end]]))
            if end or length + len(data) > MAX_ROW_BYTES:
                self._rest = data
                return Block(b"".join(pieces), self._skip_line())
            pieces.append(data)
            length += len(data)
        is_cut = self._left == 0
        return Block(b"".join(pieces)) if length and not is_cut else None

    def _skip_line(self) -> int:
        """Read up to the end of the line; returns the bytes that were skipped, at least one."""
        skipped = 0
        data = self._rest
        while data:
            end = data.find(b"\n") + 1
            if end:
                self._rest = data[end:]
                return skipped + end
            skipped += len(data)
            data = self._read_file(BLOCK_BYTES)
        self._rest = b""
        return skipped

    def _read_file(self, size: int) -> bytes:
        if self._left is None:
            return self._file.read(size)
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data
