"""The folder in which an output grows: made for a run, and deleted with nothing else in it."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from inference.bulk.request import BulkError
from inference.tables.inputs import COPY_PREFIX
from inference.writing import naming


@dataclass(frozen=True)
class StagingFolder:
    """A folder with files of known names."""

    path: Path
    files: tuple[str, ...]  # that a run writes there, apart from a copy of its input
    made: tuple[Path, ...]  # folders that were made for it, the innermost first

    @classmethod
    def make(cls, path: Path, files: Sequence[str]) -> Self:
        """Make the folder, or take over that of an earlier run.

        Raises:
            BulkError: it has other files, which are not of a run.
            OutputError: it cannot be made.
        """
        made = tuple(one for one in (path, *path.parents) if not os.path.lexists(one))
        folder = cls(path, tuple(files), made)
        with naming(path):
            path.mkdir(parents=True, exist_ok=True)
            others = sorted(one.name for one in path.iterdir() if not folder._is_ours(one))
        if others:
            raise BulkError(
                f"{path} is needed for the run, and holds other files ({others[0]}): rename it, "
                "or give the output another name"
            )
        return folder

    @property
    def is_new(self) -> bool:
        """Whether the folder was made for this run."""
        return bool(self.made)

    def delete(self) -> None:
        """Delete the files and the folder, and the folders around it that were made for it."""
        with suppress(OSError):
            for file in self.path.iterdir():
                if self._is_ours(file):
                    file.unlink()
            self.path.rmdir()
            for folder in self.made[1:]:
                folder.rmdir()

    def _is_ours(self, file: Path) -> bool:
        return file.name in self.files or file.name.startswith(COPY_PREFIX)
