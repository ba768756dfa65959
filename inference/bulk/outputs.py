"""Write an output: to stdout, or to a file or S3 object that appears only when it is complete."""

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
from inference.tables.formats import PIPE
from inference.tables.rows import Reject


class Output(Protocol):
    """Takes the pieces of an output, and the rejects."""

    folder: Path  # for files that the run needs for itself
    chunks: int  # written so far, before an interruption too
    rows: int  # in these chunks
    rejected: int

    def write(self, piece: Piece) -> None:
        """Append the piece of one chunk."""

    def reject(self, reject: Reject) -> None:
        """Record a line that could not be read."""

    def finish(self) -> None:
        """Put the complete output in its place."""


@contextmanager
def open_output(
    location: str, encoder: Encoder, fingerprint: Fingerprint, *, resumable: bool
) -> Iterator[Output]:
    """Open an output for as long as the block runs; ``finish`` puts it in its place.

    Raises:
        BulkError: the place cannot be written to, or another run was interrupted there.
    """
    if location == PIPE:
        with tempfile.TemporaryDirectory() as folder:
            yield PipeOutput(Path(folder))
        return
    output = FileOutput(location, encoder, fingerprint, resumable=resumable)
    try:
        yield output
    finally:
        output.close()


class PipeOutput:
    """Writes to stdout at once; rejects go to stderr."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chunks = self.rows = self.rejected = 0

    def write(self, piece: Piece) -> None:
        """Append the piece of one chunk."""
        sys.stdout.buffer.write(piece.data)
        sys.stdout.buffer.flush()
        self.chunks += 1
        self.rows += piece.rows

    def reject(self, reject: Reject) -> None:
        """Show a line that could not be read, without breaking the progress bar."""
        self.rejected += 1
        tqdm.write(f"rejected: line {reject.line}: {reject.reason}", file=sys.stderr)

    def finish(self) -> None:
        """Do nothing: every piece was flushed."""
