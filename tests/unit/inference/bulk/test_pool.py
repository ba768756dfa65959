import multiprocessing
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from inference.bulk.chunks import Chunk
from inference.bulk.encoder import Encoder, OutputColumns
from inference.bulk.pool import open_pool
from inference.bulk.request import BulkError
from inference.bulk.scorer import Piece, Scorer
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from inference.tables.formats import FileType
from inference.tables.rows import Row
from tests.conftest import SAMPLE_MODEL


def test_workers_give_the_pieces_of_one_process_in_the_order_of_the_chunks() -> None:
    # GIVEN more chunks than the pool holds at a time, the first of them the longest
    bundle = read_verified(SAMPLE_MODEL)
    encoder = Encoder(OutputColumns((), bundle.manifest.labels), FileType("csv"))
    chunks = [[Row(1, "Fed holds rates " * 20, ())] * 50]
    chunks += [[Row(line, f"Mars probe {line}", ())] for line in range(2, 8)]
    # WHEN two workers score them
    with open_pool(bundle, encoder, workers=2) as score_chunks:
        pieces = list(score_chunks(chunks))
    # THEN the pieces are those of a single process
    scorer = Scorer(Classifier.load(bundle), encoder)
    assert pieces == [scorer.score(chunk) for chunk in chunks]


class CutShort(Encoder):
    """An encoder whose worker sends the first bytes of a piece, and then dies or goes on."""

    dies = True

    def encode(self, records: object) -> bytes:
        """Announce a megabyte to the pool, as a worker does that is about to send one."""
        assert records
        frame = sys._getframe()
        while "result_queue" not in frame.f_locals:
            assert frame.f_back
            frame = frame.f_back
        frame.f_locals["result_queue"]._writer._send(struct.pack("!i", 1 << 20))
        if self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)
        raise AssertionError


class Slow(CutShort):
    """One that goes on."""

    dies = False


CHUNKS: list[Chunk] = [[Row(line, "Mars probe", ())] for line in range(1, 9)]


def score(encoder: type[Encoder], chunks: Iterable[Chunk], workers: int) -> list[Piece]:
    """Score chunks with the sample model in worker processes."""
    bundle = read_verified(SAMPLE_MODEL)
    columns = OutputColumns((), bundle.manifest.labels)
    with open_pool(bundle, encoder(columns, FileType("csv")), workers) as score_chunks:
        return list(score_chunks(chunks))


@pytest.mark.timeout(60)
def test_a_worker_that_is_killed_while_it_sends_a_piece_is_noticed() -> None:
    # GIVEN a worker that is killed after the first bytes of a piece
    # WHEN the pieces are awaited THEN that is an error
    with pytest.raises(BulkError, match="a worker process died"):
        score(CutShort, CHUNKS, workers=2)


def read_until_a_worker_dies() -> Iterator[Chunk]:
    """Give a chunk to a worker, and read the next one until the worker has died."""
    yield CHUNKS[0]
    while multiprocessing.active_children():
        time.sleep(0.1)
    yield CHUNKS[1]


@pytest.mark.timeout(60)
def test_a_worker_that_was_killed_while_the_next_chunk_was_read_is_noticed() -> None:
    # GIVEN a worker that is killed after the first bytes of a piece, which nobody awaits yet
    # WHEN the pieces are awaited later THEN that is an error
    with pytest.raises(BulkError, match="a worker process died"):
        score(CutShort, read_until_a_worker_dies(), workers=1)


@pytest.mark.timeout(60)
def test_a_run_can_be_interrupted_while_a_worker_sends_a_piece() -> None:
    # GIVEN workers that have sent the first bytes of a piece
    # WHEN the user presses Ctrl-C THEN the run ends
    threading.Timer(5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        score(Slow, CHUNKS, workers=1)
