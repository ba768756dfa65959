"""Write an output that grows in a separate folder and can be resumed after a kill.

The folder, ``OUTPUT.partial``, holds the data and a note of the progress. When the same run is
started again, whatever was written after the last note is cut off and scored again.
"""

import fcntl
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec

from inference.bulk.encoder import Encoder
from inference.bulk.parquet_output import write_parquet
from inference.bulk.placement import RESUME, place, staging_folder, sync
from inference.bulk.rejects import REJECTS, RejectWriter
from inference.bulk.request import BulkError
from inference.bulk.scorer import Piece
from inference.bulk.staging import StagingFolder
from inference.tables.bad_rows import BadRows
from inference.tables.rows import Reject
from inference.writing import REPEAT, naming

_DATA, _PROGRESS, _REJECTED, _PARQUET = "data", "note.json", "rejects.csv", "parquet"
_NEW_PROGRESS = "note.new"

Fingerprint = Mapping[str, object]  # all that the rows of an output depend on


Count = Annotated[int, msgspec.Meta(ge=0)]


class Progress(msgspec.Struct, frozen=True):
    """How far a run got. A later release reads the note of an earlier one, so its keys stay."""

    fingerprint: dict[str, Any] = msgspec.field(name="run")
    chunks: Count
    rows: Count
    size: Count = msgspec.field(name="bytes")  # of the data

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read the note of an earlier start; None if there is none.

        Raises:
            BulkError: it is no such note.
        """
        try:
            return msgspec.convert(json.loads(path.read_bytes()), cls)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, msgspec.ValidationError):
            raise BulkError(
                f"{path} is not the note of a run, or was damaged, so that run cannot be resumed: "
                f"delete {path.parent} to start from the beginning"
            ) from None

    def write(self, path: Path) -> None:
        """Replace the note in one step, so that a kill leaves the old one or the new one."""
        temporary = path.with_name(_NEW_PROGRESS)
        with temporary.open("w", encoding="utf-8") as file:
            # Not msgspec's encoder, which refuses the name of a file that is not UTF-8.
            json.dump(msgspec.to_builtins(self), file)
            sync(file)
        temporary.replace(path)

    def differences(self, fingerprint: Fingerprint) -> list[str]:
        """Name the parts of another run's fingerprint that differ from this one's."""
        return [name for name, value in fingerprint.items() if self.fingerprint.get(name) != value]


class FileOutput:
    """A file that grows in a folder next to its place, or in the current folder for S3."""

    def __init__(
        self,
        location: str,
        encoder: Encoder,
        fingerprint: Fingerprint,
        bad_rows: BadRows,
        *,
        resumable: bool,
    ) -> None:
        self._location, self._encoder, self.bad_rows = location, encoder, bad_rows
        self._fingerprint, self._resumable = dict(fingerprint), resumable
        self._require_file(location + REJECTS)
        files = (_DATA, _PROGRESS, _NEW_PROGRESS, _REJECTED, _PARQUET)
        self._staging = StagingFolder.make(staging_folder(location), files)
        self.folder = self._staging.path
        self.chunks = self.rows = 0
        self._complete: Path | None = None
        with naming(self.folder):
            self._data = (self.folder / _DATA).open("ab")
        try:
            self._lock()
            with naming(self.folder):
                self._resume()
                # Every start reads from the first row and so meets all rejects again.
                self._rejects = (self.folder / _REJECTED).open("w", encoding="utf-8", newline="")
                self._reject_writer = RejectWriter(self._rejects)
        except BaseException:
            with suppress(OSError):
                self._data.close()
            if self._staging.is_new:
                self._staging.delete()
            raise

    def _require_file(self, location: str) -> None:
        if Path(location).is_dir():
            raise BulkError(f"{location} is a folder, and the rejects go there: rename it")

    def _lock(self) -> None:
        try:
            fcntl.flock(self._data, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BulkError(f"another run is writing {self._location}: wait for it") from None

    def _resume(self) -> None:
        """Continue after the last note of the same run, or start over."""
        progress = Progress.read(self.folder / _PROGRESS)
        differences = progress.differences(self._fingerprint) if progress else []
        if progress and progress.rows and differences:
            raise BulkError(
                f"{self.folder} is left over from a run with another {', '.join(differences)}: "
                "repeat that command to resume it, or delete the folder"
            )
        is_whole = progress is not None and self._data.tell() >= progress.size
        if progress and is_whole and not differences:
            self._cut(progress.size)
            self.chunks, self.rows = progress.chunks, progress.rows
        else:
            self._cut(0)
            self._data.write(self._encoder.encode_header())
            self._data.flush()

    def _cut(self, size: int) -> None:
        self._data.truncate(size)
        self._data.seek(size)

    def write(self, piece: Piece) -> None:
        """Append the piece of one chunk and note the progress."""
        with naming(self.folder / _DATA, self._remedy):
            self._data.write(piece.data)
            sync(self._data)
        self.chunks += 1
        self.rows += piece.rows
        if self._resumable:
            with naming(self.folder / _PROGRESS, self._remedy):
                self._progress().write(self.folder / _PROGRESS)

    def _progress(self) -> Progress:
        return Progress(
            fingerprint=self._fingerprint,
            chunks=self.chunks,
            rows=self.rows,
            size=self._data.tell(),
        )

    def reject(self, reject: Reject) -> None:
        """Record a line that could not be read."""
        self.bad_rows.add(reject)
        with naming(self.folder / _REJECTED, self._remedy):
            self._reject_writer.write(reject)

    def finish(self) -> None:
        """Put the output and its rejects in their places and delete the folder."""
        with naming(self.folder, self._remedy):
            sync(self._data)
            sync(self._rejects)
        self._complete = self.folder / _DATA
        if self._encoder.file_type.format == "parquet":
            with naming(self.folder, self._remedy):
                write_parquet(self._complete, self.folder / _PARQUET, self._encoder.columns)
            self._complete = self.folder / _PARQUET
        place(self.folder / _REJECTED, self._location + REJECTS, self._remedy)
        place(self._complete, self._location, self._remedy)
        self._staging.delete()

    @property
    def can_resume(self) -> bool:
        """Whether there is something that the same run can go on from."""
        return self._resumable and self.chunks > 0

    @property
    def kept(self) -> str:
        """Where the finished output of a run that cannot be repeated still is; empty if nowhere."""
        complete = self._complete
        if self._resumable or complete is None or not complete.exists():
            return ""
        is_not_parquet = self._encoder.file_type.format == "parquet" and complete.name == _DATA
        names = complete.name + (" (JSON lines)" if is_not_parquet else "")
        names += f" and {_REJECTED}" if (self.folder / _REJECTED).exists() else ""
        return f"{self.folder}: {names}"

    @property
    def _remedy(self) -> str:
        if self.can_resume:
            return RESUME
        return f"then take the finished output from {self.kept}" if self.kept else REPEAT

    def close(self, *, discard: bool = False) -> None:
        """Close the files, which releases the lock, and perhaps delete them."""
        if discard:
            self._staging.delete()
        for file in (self._rejects, self._data):
            with suppress(OSError):  # on a full disk; whatever counts was written through before
                file.close()
