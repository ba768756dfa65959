"""Scores chunks on every core: a single-threaded model in each of as many processes."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from inference.bulk.scorer import Layout, Scorer
from inference.model.store import Bundle
from inference.tables.formats import BulkError
from inference.tables.rows import Row

Chunk = Sequence[Row]
Score = Callable[[Iterable[Chunk]], Iterator[tuple[int, bytes]]]

_scorer: Scorer  # of a worker process


def usable_cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def workers(bundle: Bundle, layout: Layout, count: int) -> Iterator[Score]:
    """A function from chunks to their numbers of rows and output, in their order.

    It holds at most two chunks a process in memory.

    Raises:
        BulkError: a process was killed, or could not load the model.
    """
    context = multiprocessing.get_context("spawn")  # a fork may copy the locks of live threads
    pool = ProcessPoolExecutor(count, context, initializer=_start, initargs=(bundle, layout))

    def score(chunks: Iterable[Chunk]) -> Iterator[tuple[int, bytes]]:
        pending: deque[tuple[int, Future[bytes]]] = deque()
        for chunk in chunks:
            pending.append((len(chunk), pool.submit(_score, chunk)))
            if len(pending) == 2 * count:
                rows, future = pending.popleft()
                yield rows, future.result()
        for rows, future in pending:
            yield rows, future.result()

    with pool:
        try:
            yield score
        except BaseException as error:
            for process in multiprocessing.active_children():  # else their chunks are waited for
                process.terminate()
            if isinstance(error, BrokenProcessPool):
                raise BulkError(
                    "a worker process died: it could not load the model (then see above), "
                    "or was killed, perhaps for lack of memory (then try fewer --workers)"
                ) from error
            raise


def _start(bundle: Bundle, layout: Layout) -> None:
    """Load the model of a worker process."""
    global _scorer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _scorer = Scorer(bundle, layout)


def _end_with_parent() -> None:
    """A parent that is killed tells nobody, and a worker would wait for it forever."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _score(chunk: Chunk) -> bytes:
    return _scorer(chunk)
