"""Score chunks on every core, with a single-threaded classifier in each worker process."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from inference.bulk.chunks import Chunk
from inference.bulk.encoder import Encoder
from inference.bulk.request import BulkError
from inference.bulk.schedule import score_chunks
from inference.bulk.scorer import Piece, Scorer
from inference.model.bundle import Bundle

LOOK_SECONDS = 1.0  # between looks for a worker that died, while waiting for a piece

T = TypeVar("T")
R = TypeVar("R")

_scorer: Scorer  # of a worker process


ScoreChunks = Callable[[Iterable[Chunk]], Iterator[Piece]]


def usable_cores() -> int:
    """Count the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def open_pool(bundle: Bundle, encoder: Encoder, workers: int) -> Iterator[ScoreChunks]:
    """Start workers, and yield a function that turns chunks into pieces in the same order.

    It holds at most two chunks for each worker in memory. A worker is started when there is work
    for it, so a small file takes no more of them than it needs.

    Raises:
        BulkError: a worker was killed or could not load the model.
    """
    context = multiprocessing.get_context("spawn")  # a fork may copy the locks of live threads
    pool = ProcessPoolExecutor(
        workers, context, initializer=_start_worker, initargs=(bundle, encoder)
    )
    with pool:
        try:
            yield lambda chunks: score_chunks(chunks, _Workers(pool, workers))
        except BaseException as error:
            _stop_workers(pool)
            if isinstance(error, BrokenProcessPool):
                raise BulkError(
                    "a worker process died: either it could not load the model (see above), or it "
                    "was killed, perhaps because memory ran out (try fewer --workers)"
                ) from error
            raise


@dataclass(frozen=True)
class _Workers:
    """The processes of a pool."""

    pool: ProcessPoolExecutor
    count: int
    started: set[BaseProcess] = field(default_factory=set)  # those that died included

    def score(self, chunk: Chunk) -> Future[Piece]:
        return self._submit(_score, chunk)

    def score_slice(self, rows: Chunk) -> Future[list[str]]:
        return self._submit(_score_slice, rows)

    def join(self, lines: Sequence[str]) -> Future[Piece]:
        return self._submit(_join, lines)

    def _submit(self, function: Callable[[T], R], argument: T) -> Future[R]:
        """Give work to the pool, which may start a worker for it."""
        future = self.pool.submit(function, argument)
        self.started.update(multiprocessing.active_children())  # which forgets those that died
        return future

    def wait(self, futures: Sequence[Future[Any]]) -> None:
        """Wait for any of these.

        The pool notices a worker that dies, but not one that dies while it sends a piece: it waits
        for the rest of the piece.

        Raises:
            BrokenProcessPool: a worker died.
        """
        while True:
            if wait(futures, LOOK_SECONDS, FIRST_COMPLETED).done:
                return
            if not all(worker.is_alive() for worker in self.started):
                raise BrokenProcessPool


def _stop_workers(pool: ProcessPoolExecutor) -> None:
    """Terminate the workers; otherwise the pool would wait for their chunks."""
    for process in multiprocessing.active_children():
        process.terminate()
    # The end of this process, too, so that the pool does not wait for the rest of a piece that was
    # being sent. It offers no way to do that.
    results: Any = getattr(pool, "_result_queue", None)
    if results is not None:
        results._writer.close()


def _start_worker(bundle: Bundle, encoder: Encoder) -> None:
    global _scorer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from inference.model.classifier import Classifier  # the parent needs no onnxruntime

    _scorer = Scorer(Classifier.load(bundle), encoder)


def _exit_with_parent() -> None:
    """Exit when the parent is killed, which a worker would not notice otherwise."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _score(chunk: Chunk) -> Piece:
    return _scorer.score(chunk)


def _score_slice(rows: Chunk) -> list[str]:
    return _scorer.score_slice(rows)


def _join(lines: Sequence[str]) -> Piece:
    return _scorer.join(lines)
