"""The journal of a search: a line for each thing that happened to a trial, only ever added to."""

import os
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from training.atomic import naming


class Journal(JournalFileBackend):
    """A journal whose lines are whole, so that a search continues after a full disk or a crash.

    Optuna stops reading at a line that is cut short, and would append the next one to it.
    """

    def __init__(self, path: Path) -> None:
        """Open a journal, or start one.

        Raises:
            OutputError: it cannot be written.
        """
        self._path = path
        with naming(path):
            super().__init__(str(path))
            self._truncate(_count_whole_bytes(path))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add lines, all or none.

        Raises:
            OutputError: they cannot be written.
        """
        size = self._path.stat().st_size
        with naming(self._path):
            try:
                super().append_logs(logs)
            except BaseException:
                self._truncate(size)
                raise

    def _truncate(self, size: int) -> None:
        if self._path.stat().st_size > size:
            os.truncate(self._path, size)


def _count_whole_bytes(path: Path) -> int:
    """Return the size of a file without a last line that does not end."""
    content = path.read_bytes()
    return content.rfind(b"\n") + 1
