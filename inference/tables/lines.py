"""Read the lines of a file in bounded memory."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

MAX_LINE = 1 << 20  # bytes
TOO_LONG = f"the line has more than {MAX_LINE} bytes"


class Lines(Iterator[str]):
    """Iterate over the decoded lines of a file; lines that are too long lose their end."""

    def __init__(self, file: BinaryIO, first: int = 1) -> None:
        """Start before the line that has the number ``first``."""
        self._file = file
        self.number = first - 1  # of the last line read
        self.bytes_read = 0
        self.cut = 0  # lines that lost their end so far

    def __next__(self) -> str:
        line = self._file.readline(MAX_LINE)
        if not line:
            raise StopIteration
        is_first = self.bytes_read == 0
        self.bytes_read += len(line)
        if _is_cut(line):
            self._skip_rest()
        self.number += 1
        if is_first:
            line = line.removeprefix(codecs.BOM_UTF8)
        # ``make_row`` rejects rows with bytes that are not UTF-8.
        return line.decode(errors="surrogateescape")

    def _skip_rest(self) -> None:
        self.cut += 1
        rest = self._file.readline(MAX_LINE)
        self.bytes_read += len(rest)
        while _is_cut(rest):
            rest = self._file.readline(MAX_LINE)
            self.bytes_read += len(rest)


def _is_cut(line: bytes) -> bool:
    return len(line) == MAX_LINE and not line.endswith(b"\n")
