"""Group rows into chunks, the unit that is scored and written at a time."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, pairwise

from inference.tables.columns import InputColumns
from inference.tables.inputs import Input
from inference.tables.rows import Reject, Row

# One process scores a chunk at a time. Rows are sorted by length within a chunk, so more of them
# fill batches better; fewer keep all cores busy to the end, and lose less when a run is killed.
CHUNK_ROWS = 4096
CHUNK_CHARACTERS = 2_000_000  # some 100 MB once tokenized
LEAST_SLICE = 512  # rows; of similar length, so that batches are as full as in the whole chunk

Chunk = list[Row]


class ChunkReader:
    """Reads an input in chunks, which are the same in every run."""

    def __init__(
        self, source: Input, columns: InputColumns, on_reject: Callable[[Reject], None]
    ) -> None:
        """Call ``on_reject`` for each reject that is met while reading."""
        self._source, self._columns = source, columns
        self._on_reject = on_reject
        self._rows_read = 0
        self._rows = source.count_rows()

    def chunks(self) -> Iterator[Chunk]:
        """Read all rows.

        Raises:
            TableError: the input is damaged or lacks a column.
        """
        for chunk in group_rows(self._source.rows(self._columns), self._on_reject):
            self._rows_read += len(chunk)
            yield chunk

    def estimate_rows(self) -> int | None:
        """Estimate the rows of the whole input from what was read; None for a pipe."""
        if self._rows is not None:
            return self._rows
        share = self._source.share_read()
        return round(self._rows_read / share) if share else None


def group_rows(
    rows: Iterable[Row | Reject], on_reject: Callable[[Reject], None]
) -> Iterator[Chunk]:
    """Group rows into chunks of limited length and pass each reject to ``on_reject``."""
    chunk: Chunk = []
    characters = 0
    for row in rows:
        if isinstance(row, Reject):
            on_reject(row)
            continue
        chunk.append(row)
        characters += len(row.text) + sum(map(len, row.kept))
        if len(chunk) == CHUNK_ROWS or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def slice_chunk(chunk: Chunk, count: int) -> list[list[int]]:
    """Share the rows of a chunk among this many workers, or fewer if it is short.

    Each gets the numbers of rows with texts of similar length, and about as many characters.
    """
    by_length = sorted(range(len(chunk)), key=lambda number: len(chunk[number].text))
    count = max(1, min(count, len(chunk) // LEAST_SLICE))
    ends = list(accumulate(len(chunk[number].text) for number in by_length))
    borders = [bisect_left(ends, ends[-1] * share / count) for share in range(1, count)]
    pairs = pairwise([0, *borders, len(chunk)])
    return [by_length[begin:end] for begin, end in pairs if begin < end]
