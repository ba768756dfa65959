"""Share the chunks of a run among workers, so that all of them are busy to its end.

A worker scores a whole chunk, as long as there are more. The last chunks are cut into slices, which
all workers share: otherwise most would wait at the end for a few that got one more chunk.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from inference.bulk.chunks import Chunk, slice_chunk
from inference.bulk.scorer import Piece

MOST_SLICES = 8  # of a chunk; shorter ones would cost more than they save


class Workers(Protocol):
    """Processes that score chunks or slices of them."""

    @property
    def count(self) -> int:
        """How many there are."""

    def score(self, chunk: Chunk) -> Future[Piece]:
        """Score a whole chunk."""

    def score_slice(self, rows: Chunk) -> Future[list[str]]:
        """Score some rows of a chunk."""

    def join(self, lines: Sequence[str]) -> Future[Piece]:
        """Make the piece of a chunk from what was encoded for each of its rows."""

    def wait(self, futures: Sequence[Future[Any]]) -> None:
        """Wait for any of these; raises an error if a worker died."""


def score_chunks(chunks: Iterable[Chunk], workers: Workers) -> Iterator[Piece]:
    """Turn chunks into pieces in the same order; at most two for each worker are in memory."""
    kept_back = (workers.count + 1) // 2 if workers.count > 1 else 0  # they may be the last
    jobs: deque[_Job] = deque()
    for chunk in chunks:
        jobs.append(_Job(chunk))
        if len(jobs) > kept_back:
            jobs[-1 - kept_back].start(workers)
        if len(jobs) == 2 * workers.count:
            yield _finish_first(jobs, workers)
    for job in jobs:
        job.start_slices(workers)
    while jobs:
        yield _finish_first(jobs, workers)


def _finish_first(jobs: "deque[_Job]", workers: Workers) -> Piece:
    while (piece := jobs[0].piece) is None:
        for job in jobs:
            job.join_slices(workers)
        running = [future for job in jobs for future in job.running]
        if running:  # all may have ended in the meantime
            workers.wait(running)
    jobs.popleft()
    return piece


class _Job:
    """A chunk that becomes a piece."""

    def __init__(self, chunk: Chunk) -> None:
        self._chunk: Chunk = chunk  # until it is given to the workers
        self._rows: list[list[int]] = []  # of each slice, if there are any
        self._slices: list[Future[list[str]]] = []
        self._piece: Future[Piece] | None = None

    @property
    def running(self) -> list[Future[Any]]:
        """What the workers have not finished."""
        futures: list[Future[Any]] = [*self._slices]
        futures += [self._piece] if self._piece else []
        return [future for future in futures if not future.done()]

    @property
    def piece(self) -> Piece | None:
        """The piece, once there is one."""
        return self._piece.result() if self._piece and self._piece.done() else None

    def start(self, workers: Workers) -> None:
        """Give the whole chunk to a worker."""
        self._piece = workers.score(self._chunk)
        self._chunk = []

    def start_slices(self, workers: Workers) -> None:
        """Share the chunk among the workers, unless one of them has it."""
        if self._piece is not None:
            return
        self._rows = slice_chunk(self._chunk, min(workers.count, MOST_SLICES))
        if len(self._rows) == 1:
            self.start(workers)
            return
        self._slices = [
            workers.score_slice([self._chunk[number] for number in numbers])
            for numbers in self._rows
        ]
        self._chunk = []

    def join_slices(self, workers: Workers) -> None:
        """Make a piece of the slices when all of them are scored."""
        if self._piece is not None or self.running or not self._slices:
            return
        lines = [""] * sum(map(len, self._rows))
        for numbers, scored in zip(self._rows, self._slices, strict=True):
            for number, line in zip(numbers, scored.result(), strict=True):
                lines[number] = line
        self._piece, self._slices = workers.join(lines), []
