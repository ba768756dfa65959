"""The content of a file while its layout is being recognized."""

import io
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from inference.tables.blocks import Blocks
from inference.tables.encodings import Utf8Check

HEAD_BYTES = 1 << 20
SURVEY_BYTES = 1 << 30  # of a file that are looked at


@dataclass
class Content:
    """The content of a file as UTF-8, or its beginning; it can be read several times."""

    file: BinaryIO
    complete: bool  # whether this is all of the file
    begin: int = 0  # the byte at which the rows begin, or their header
    line: int = 1  # the number of the line there

    @cached_property
    def _head(self) -> bytes:
        self.file.seek(0)
        head = self.file.read(HEAD_BYTES)
        return head if len(head) < HEAD_BYTES else head[: head.rfind(b"\n") + 1] or head

    def read_head(self) -> bytes:
        """Read the first whole lines."""
        return self._head[self.begin :]

    def skip(self, size: int, lines: int = 0) -> None:
        """Let the rows begin later."""
        self.begin += size
        self.line += lines

    def read_blocks(self, check: Utf8Check | None = None) -> Blocks:
        """Read all lines; ``check`` is shown them."""
        self._rewind()
        return Blocks(self.file, limit=SURVEY_BYTES, watch=check.add if check else None)

    def read_through(self, check: Utf8Check) -> None:
        """Show all lines to ``check``."""
        self.read_blocks(check).read_through()

    def _rewind(self) -> None:
        self.file.seek(0)
        self.file.read(self.begin)


def open_head(head: bytes) -> Blocks:
    """Read the lines of the head again."""
    return Blocks(io.BytesIO(head))
