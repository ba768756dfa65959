"""Write an output: to a stream, or to a file or S3 object that appears when it is complete."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from inference.bulk.encoder import Encoder
from inference.bulk.file_output import FileOutput, Fingerprint
from inference.bulk.scorer import Piece
from inference.bulk.streams import is_stream, open_stream, write_stream
from inference.errors import InterruptedRunError
from inference.tables.bad_rows import BadRows
from inference.tables.errors import TableError, UnreadableError
from inference.tables.formats import PIPE
from inference.tables.rows import Reject
from inference.writing import naming


class Output(Protocol):
    """Takes the pieces of an output, and the rejects."""

    folder: Path  # for files that the run needs for itself
    chunks: int  # written so far, before an interruption too
    rows: int  # in these chunks
    bad_rows: BadRows

    def write(self, piece: Piece) -> None:
        """Append the piece of one chunk."""

    def reject(self, reject: Reject) -> None:
        """Record a line that could not be read."""

    def finish(self) -> None:
        """Put the complete output in its place."""


@contextmanager
def open_output(
    location: str, encoder: Encoder, fingerprint: Fingerprint, bad_rows: BadRows, *, resumable: bool
) -> Iterator[Output]:
    """Open an output for as long as the block runs; ``finish`` puts it in its place.

    A run that failed leaves nothing, unless the same run can go on from what it wrote, or all of
    the output was written and came from a pipe, which cannot be read again.

    Raises:
        BulkError: the place cannot be written to, or another run was interrupted there.
        InterruptedRunError: the user pressed Ctrl-C.
        OutputError: the disk is full.
    """
    if is_stream(location):
        with tempfile.TemporaryDirectory() as folder:
            stream = StreamOutput(location, encoder, bad_rows, Path(folder))
            try:
                yield stream
            finally:
                stream.close()
        return
    output = FileOutput(location, encoder, fingerprint, bad_rows, resumable=resumable)
    try:
        yield output
    except BaseException as error:
        is_final = isinstance(error, TableError) and not isinstance(error, UnreadableError)
        can_resume = output.can_resume and not is_final
        message = _describe_interruption(can_resume, output.kept)
        output.close(discard=not (can_resume or output.kept))
        if isinstance(error, KeyboardInterrupt):
            raise InterruptedRunError(message) from None
        raise
    output.close()


def _describe_interruption(can_resume: bool, kept: str) -> str:
    if can_resume:
        return "interrupted: repeat the command to resume it"
    if kept:
        return f"interrupted: take the finished output from {kept}"
    return "interrupted, and nothing is kept: the same command starts again"


class StreamOutput:
    """Writes at once; rejects go to stderr."""

    def __init__(self, location: str, encoder: Encoder, bad_rows: BadRows, folder: Path) -> None:
        self.folder, self.bad_rows = folder, bad_rows
        self.chunks = self.rows = 0
        self._name = "stdout" if location == PIPE else location
        with naming(self._name):
            self._descriptor = open_stream(location)
        self._write(encoder.encode_header())

    def write(self, piece: Piece) -> None:
        """Append the piece of one chunk."""
        self._write(piece.data)
        self.chunks += 1
        self.rows += piece.rows

    def _write(self, data: bytes) -> None:
        with naming(self._name):
            write_stream(self._descriptor, data)

    def reject(self, reject: Reject) -> None:
        """Show a line that could not be read, without breaking the progress bar."""
        self.bad_rows.add(reject)
        tqdm.write(f"rejected: {reject.describe()}", file=sys.stderr)

    def finish(self) -> None:
        """Do nothing: every piece was written."""

    def close(self) -> None:
        """Close this use of the stream."""
        os.close(self._descriptor)
