"""Write files completely or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inference.writing import REPEAT, OutputError, naming

__all__ = ["REPEAT", "OutputError", "naming", "replacing", "require_writable", "write_text"]


@contextmanager
def replacing(path: Path, remedy: str = REPEAT) -> Iterator[Path]:
    """Yield a temporary path; it replaces ``path`` when the block ends without an error.

    Raises:
        OutputError: the file cannot be written.
    """
    with naming(path, remedy):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def require_writable(folder: Path) -> None:
    """Check that a folder can be written or made, before hours of work go into it.

    Raises:
        OutputError: it is a file, lies in one, or may not be written.
    """
    existing = folder
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir():
        kind = "a link to nothing" if existing.is_symlink() else "not a folder"
        raise OutputError(f"cannot write to {folder}: {existing} is {kind}")
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        reason = f"{existing} is not writable ({error.strerror})"
        raise OutputError(f"cannot write to {folder}: {reason}") from error
