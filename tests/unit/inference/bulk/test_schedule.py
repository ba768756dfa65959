from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from inference.bulk.chunks import LEAST_SLICE, Chunk
from inference.bulk.schedule import MOST_SLICES, score_chunks
from inference.bulk.scorer import Piece
from inference.tables.rows import Row

ROWS = 2 * LEAST_SLICE


class Threads:
    """Workers that are threads, and write the lines of rows instead of classifying them."""

    def __init__(self, count: int) -> None:
        self.count, self.whole, self.in_slices = count, 0, 0
        self._pool = ThreadPoolExecutor(count)

    def score(self, chunk: Chunk) -> Future[Piece]:
        """Score a whole chunk."""
        self.whole += 1
        return self._pool.submit(lambda: make_piece([str(row.line) for row in chunk]))

    def score_slice(self, rows: Chunk) -> Future[list[str]]:
        """Score some rows of a chunk."""
        self.in_slices += 1
        return self._pool.submit(lambda: [str(row.line) for row in rows])

    def join(self, lines: Sequence[str]) -> Future[Piece]:
        """Make the piece of a chunk."""
        return self._pool.submit(make_piece, lines)

    def wait(self, futures: Sequence[Future[Any]]) -> None:
        """Wait for any of these."""
        assert futures
        wait(futures, 10, FIRST_COMPLETED)


def make_piece(lines: Sequence[str]) -> Piece:
    return Piece(" ".join(lines).encode(), len(lines))


def make_chunks(count: int) -> list[Chunk]:
    """Make chunks whose rows have texts of different lengths."""
    return [
        [Row(line, "x" * (1 + line % 7), ()) for line in range(number * ROWS, (number + 1) * ROWS)]
        for number in range(count)
    ]


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 20])
def test_the_pieces_come_in_the_order_of_the_chunks_with_all_rows(count: int, workers: int) -> None:
    chunks = make_chunks(count)
    pieces = list(score_chunks(chunks, Threads(workers)))
    assert pieces == [make_piece([str(row.line) for row in chunk]) for chunk in chunks]


@pytest.mark.parametrize(
    ("count", "workers", "whole", "cut"),
    [
        (1, 1, 1, 0),  # there is no one to share with
        (5, 1, 5, 0),
        (1, 2, 0, 1),
        (5, 2, 4, 1),
        (20, 8, 16, 4),
    ],
)
def test_the_last_chunks_are_shared_by_all_workers(
    count: int, workers: int, whole: int, cut: int
) -> None:
    threads = Threads(workers)
    list(score_chunks(make_chunks(count), threads))
    slices = min(workers, MOST_SLICES, ROWS // LEAST_SLICE)
    assert (threads.whole, threads.in_slices) == (whole, cut * slices)


def test_a_chunk_that_is_too_short_for_slices_is_scored_whole() -> None:
    threads = Threads(4)
    list(score_chunks([[Row(1, "Fed", ())]], threads))
    assert (threads.whole, threads.in_slices) == (1, 0)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_at_most_two_chunks_for_each_worker_are_read_ahead(workers: int) -> None:
    # GIVEN a reader that counts what it has read
    read = 0

    def read_chunks() -> Iterator[Chunk]:
        nonlocal read
        for chunk in make_chunks(3 * workers):
            read += 1
            yield chunk

    # WHEN pieces are taken THEN no more chunks are read than that
    for taken, _ in enumerate(score_chunks(read_chunks(), Threads(workers))):
        assert read - taken <= 2 * workers


def test_an_error_of_a_slice_is_raised() -> None:
    class Failing(Threads):
        def score_slice(self, rows: Chunk) -> Future[list[str]]:
            return self._pool.submit(lambda: [str(1 // (row.line % 2)) for row in rows])

    with pytest.raises(ZeroDivisionError):
        list(score_chunks(make_chunks(1), Failing(2)))
