"""Classify every row of a file on the cores of this machine."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from inference.bulk.chunks import CHUNK_CHARACTERS, CHUNK_ROWS, ChunkReader
from inference.bulk.encoder import Encoder, OutputColumns
from inference.bulk.outputs import Output, open_output
from inference.bulk.pool import ScoreChunks, open_pool, usable_cores
from inference.bulk.request import BulkError, ScoringRequest
from inference.errors import InterruptedRunError
from inference.model.store import fetch
from inference.runtime.settings import MODEL_CACHE
from inference.tables.formats import PIPE, FileType, detect_file_type
from inference.tables.inputs import Identity, identify, open_input
from inference.tables.reader import RULES_VERSION

MODEL_SECONDS = 300.0  # to download a bundle


@dataclass(frozen=True)
class ScoringSummary:
    """What a run did."""

    rows: int  # of the output, those from before an interruption included
    rejected: int
    model_version: str
    rows_per_second: float  # since this start


def score_file(request: ScoringRequest, workers: int | None = None) -> ScoringSummary:
    """Score a file with a number of worker processes, by default one on each core.

    Raises:
        BulkError: the run cannot go on; what was scored is kept for the next start.
        InterruptedRunError: the user pressed Ctrl-C.
        StoreError: the model cannot be fetched.
        TableError: the input cannot be read.
    """
    output_type = _detect_output_type(request.output)
    identity = identify(request.input)
    _require_different_places(identity, request.output)
    cache = Path(os.environ.get("MODEL_CACHE", MODEL_CACHE))
    bundle = fetch(request.model_uri, cache, MODEL_SECONDS)
    encoder = Encoder(OutputColumns(request.columns.keep, bundle.manifest.labels), output_type)
    fingerprint = {
        "input": identity,
        "options": asdict(request.options),
        "rules": RULES_VERSION,
        "text_column": request.columns.text,
        "keep": list(request.columns.keep),
        "model_version": bundle.version,
        "chunk": [CHUNK_ROWS, CHUNK_CHARACTERS],
    }
    started = time.monotonic()
    resumable = identity is not None
    with (
        _explain_interruption(resumable and request.output != PIPE),
        open_output(request.output, encoder, fingerprint, resumable=resumable) as output,
        open_input(
            request.input, request.columns, request.options, identity, output.folder
        ) as source,
        open_pool(bundle, encoder, workers or usable_cores()) as score_chunks,
    ):
        rows_before = output.rows
        reader = ChunkReader(source, request.columns, output.reject)
        _write_missing_chunks(reader, score_chunks, output)
        source.require_unchanged()
        _require_rows(output)
        output.finish()
    rate = (output.rows - rows_before) / (time.monotonic() - started)
    return ScoringSummary(output.rows, output.rejected, bundle.version, rate)


def _detect_output_type(location: str) -> FileType:
    return FileType("jsonl") if location == PIPE else detect_file_type(location)


def _require_different_places(identity: Identity | None, output: str) -> None:
    if identity and identity["location"] in (output, str(Path(output).resolve())):
        raise BulkError("--output would overwrite the input: give another name")


@contextmanager
def _explain_interruption(resumable: bool) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        if not resumable:
            raise
        raise InterruptedRunError("interrupted: repeat the command to resume it") from None


def _write_missing_chunks(reader: ChunkReader, score_chunks: ScoreChunks, output: Output) -> None:
    chunks = islice(reader.chunks(), output.chunks, None)
    with tqdm(unit=" rows", unit_scale=True, initial=output.rows, mininterval=1) as bar:
        for piece in score_chunks(chunks):
            output.write(piece)
            bar.total = reader.estimate_rows()
            bar.update(piece.rows)
        bar.total = output.rows


def _require_rows(output: Output) -> None:
    if output.rejected and not output.rows:
        raise BulkError(
            f"all {output.rejected} rows were rejected: is --text-column the right column?"
        )
