"""Classify every row of a file on the cores of this machine."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice

from tqdm import tqdm

from inference.bulk.chunks import CHUNK_CHARACTERS, CHUNK_ROWS, ChunkReader
from inference.bulk.collisions import require_apart
from inference.bulk.encoder import Encoder, OutputColumns
from inference.bulk.file_output import Fingerprint
from inference.bulk.outputs import Output, open_output
from inference.bulk.pool import ScoreChunks, open_pool, usable_cores
from inference.bulk.request import BulkError, ScoringRequest
from inference.bulk.streams import is_stream
from inference.model.store import fetch
from inference.runtime.settings import find_model_cache
from inference.tables.bad_rows import BadRows
from inference.tables.formats import FileType, detect_file_type, find_file_type
from inference.tables.inputs import Identity, Input, identify, open_input
from inference.tables.reader import RULES_VERSION

MODEL_SECONDS = 300.0  # to download a bundle


@dataclass(frozen=True)
class ScoringSummary:
    """What a run did."""

    rows: int  # of the output, those from before an interruption included
    bad_rows: BadRows
    model_version: str
    rows_per_second: float  # since this start


def score_file(
    request: ScoringRequest,
    workers: int | None = None,
    on_open: Callable[[Input], None] = lambda _: None,
) -> ScoringSummary:
    """Score a file with a number of worker processes, by default one on each core.

    ``on_open`` is called as soon as it is known how the input is read.

    Raises:
        BulkError: the run cannot go on; what was scored is kept for the next start.
        InterruptedRunError: the user pressed Ctrl-C.
        OutputError: the output cannot be written.
        StoreError: the model cannot be fetched.
        TableError: the input cannot be read.
    """
    output_type = _detect_output_type(request.output)
    identity = identify(request.input)
    require_apart(request.input, request.output)
    bundle = fetch(request.model_uri, find_model_cache(), MODEL_SECONDS)
    require_apart(request.input, request.output, bundle.folder.iterdir())
    encoder = Encoder(OutputColumns.of(request.columns.keep, bundle.manifest), output_type)
    fingerprint = _make_fingerprint(request, identity, encoder.columns, bundle.version)
    bad_rows = BadRows(request.input)
    started = time.monotonic()
    with (
        open_output(
            request.output, encoder, fingerprint, bad_rows, resumable=identity is not None
        ) as output,
        open_input(
            request.input, request.columns, request.options, identity, output.folder
        ) as source,
    ):
        on_open(source)
        rows_before = output.rows
        reader = ChunkReader(source, request.columns, output.reject)
        with open_pool(bundle, encoder, workers or usable_cores()) as score_chunks:
            _write_missing_chunks(reader, score_chunks, output)
        source.require_unchanged()
        _require_rows(output)
        output.finish()
    rate = (output.rows - rows_before) / (time.monotonic() - started)
    return ScoringSummary(output.rows, bad_rows, bundle.version, rate)


def _make_fingerprint(
    request: ScoringRequest, identity: Identity | None, columns: OutputColumns, version: str
) -> Fingerprint:
    """Name all that the rows of the output depend on."""
    return {
        "input": identity,
        "options": asdict(request.options),
        "rules": RULES_VERSION,
        "text_column": request.columns.text,
        "keep": list(request.columns.keep),
        "output_columns": list(columns.names),
        "model_version": version,
        "chunk": [CHUNK_ROWS, CHUNK_CHARACTERS],
    }


def _detect_output_type(location: str) -> FileType:
    """Return the type that the name of an output says; a stream gets JSON lines by default."""
    if not is_stream(location):
        return detect_file_type(location)
    file_type = find_file_type(location) or FileType("jsonl")
    if file_type.format == "parquet":
        raise BulkError(f"{location} takes no Parquet, which is written at the end: name a file")
    return file_type


def _write_missing_chunks(reader: ChunkReader, score_chunks: ScoreChunks, output: Output) -> None:
    chunks = islice(reader.chunks(), output.chunks, None)
    with tqdm(unit=" rows", unit_scale=True, initial=output.rows) as bar:
        for piece in score_chunks(chunks):
            output.write(piece)
            bar.total = reader.estimate_rows()
            bar.update(piece.rows)
        bar.total = output.rows


def _require_rows(output: Output) -> None:
    if output.bad_rows.count and not output.rows:
        raise BulkError(f"{output.bad_rows.describe_all()}; is --text-column the right column?")
