"""Split delimited content into lines that are rows, records over lines, and broken lines.

A record whose quotes are wrong costs one line: the next record begins with the line after it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from inference.tables.blocks import BLOCK_BYTES, MAX_ROW_BYTES, Block, Blocks
from inference.tables.grammar import Grammar, strip_line_end
from inference.tables.shape import Shape

TOO_LONG = f"the row has more than {MAX_ROW_BYTES >> 20} MiB"
# The same reason wherever the next lines end, so that ranges give the rejects of the whole file.
BAD_QUOTES = "a quoted value does not end where its column ends"
_LINE = re.compile(rb"[^\n]*+\n|[^\n]++")


@dataclass(slots=True)
class Part:
    """Several lines, each of which is a row; or one record with quotes; or one bad line.

    The lines have no quotes, or their quotes are right.
    """

    line: int  # the number of the first
    data: bytes
    is_record: bool = False
    problem: str = ""  # of a bad line
    at_end: bool = False  # whether its quotes are open up to the end of the content
    lost: int = 0  # bytes of a line that is too long
    records: list[list[str]] | None = None  # the fields of each line, if they are known already

    @property
    def is_lines(self) -> bool:
        """Whether each line is a row."""
        return not (self.is_record or self.problem)

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """Iterate over the lines or the one record, with the numbers of their lines."""
        if self.is_lines:
            yield from enumerate(_LINE.findall(self.data), self.line)
        else:
            yield self.line, self.data


class Splitter:
    """Iterates over the parts of some content."""

    def __init__(
        self,
        blocks: Blocks,
        grammar: Grammar,
        shape: Shape | None,
        line: int = 1,
        parse_lines: Callable[[bytes], list[list[str]] | None] = lambda _: None,
    ) -> None:
        """Prepare to split.

        Args:
            blocks: the content.
            grammar: how it is written.
            shape: what its rows look like, if it is known.
            line: the number of the first line.
            parse_lines: returns the records of some lines if each line is one, otherwise None.
        """
        self._blocks, self._grammar, self._shape = blocks, grammar, shape
        self._parse_lines = parse_lines
        self._lines = grammar.match_lines(shape.width) if shape else None
        self._line = line
        self._data, self._position = b"", 0
        self._long: Block | None = None  # comes after the data

    def __iter__(self) -> Iterator[Part]:
        while self._position < len(self._data) or self._read(BLOCK_BYTES) or self._long:
            if self._position < len(self._data):
                yield self._next()
            elif self._long:
                yield Part(self._line, self._long.data, problem=TOO_LONG, lost=self._long.lost)
                self._line += 1
                self._long = None

    def _next(self) -> Part:
        data, begin = self._data, self._position
        if begin == 0 and (records := self._parse_lines(data)) is not None:
            part = self._take(len(data))
            part.records = records
            return part
        quote = -1 if self._grammar.quoting == "none" else data.find(b'"', begin)
        if quote < 0:
            return self._take(len(data))
        first = data.rfind(b"\n", begin, quote) + 1
        if first > begin:
            return self._take(first)
        if self._lines and (lines := self._lines.match(data, begin)):
            return self._take(lines.end())
        record = self._match()
        if record and self._is_one_row(record):
            part = self._take(record.end())
            part.is_record = True
            return part
        return self._take_bad_line()

    def _match(self) -> re.Match[bytes] | None:
        """Match the next record, and read on while its quotes are open."""
        while True:
            record = self._grammar.record.match(self._data, self._position)
            if record or not self._is_open() or not self._read(len(self._data) - self._position):
                return record

    def _is_open(self) -> bool:
        return self._grammar.opened.match(self._data, self._position) is not None

    def _is_one_row(self, record: re.Match[bytes]) -> bool:
        """Whether a record is neither too long nor several rows between stray quotes."""
        begin, end = record.span()
        has_lines = self._data.find(b"\n", begin, end - 1) >= 0
        if self._shape is None or not has_lines:
            return True
        is_short = end - begin <= MAX_ROW_BYTES
        return is_short and not self._shape.has_rows_within(strip_line_end(record.group()))

    def _read(self, size: int) -> bool:
        """Read about this many bytes; returns whether there were any."""
        left = len(self._data) - self._position
        if self._long or left > MAX_ROW_BYTES:
            return False
        block = self._blocks.read(max(size, BLOCK_BYTES))
        if block is None:
            return False
        if block.lost:
            self._long = block
            return False
        self._data = self._data[self._position :] + block.data
        self._position = 0
        return True

    def _take(self, end: int) -> Part:
        begin, self._position = self._position, end
        part = Part(self._line, self._data[begin:end])
        self._line += self._data.count(b"\n", begin, end)
        return part

    def _take_bad_line(self) -> Part:
        at_end = self._is_open()
        end = self._find_line_end(self._position)
        if self._shape and self._shape.has_line_breaks:
            end = self._find_text_end(end)
        part = self._take(end)
        part.problem, part.at_end = BAD_QUOTES, at_end
        return part

    def _find_text_end(self, end: int) -> int:
        """Return the end of the lines that are neither rows nor have quotes: the rest of a text."""
        while True:
            if end == len(self._data):
                length = end - self._position
                if not self._read(BLOCK_BYTES):
                    return end
                end = length  # the data begins with the row now
            next_end = self._find_line_end(end)
            line = strip_line_end(self._data[end:next_end])
            if b'"' in line or self._shape is None or self._shape.is_row_line(line):
                return end
            end = next_end

    def _find_line_end(self, begin: int) -> int:
        return self._data.find(b"\n", begin) + 1 or len(self._data)
