"""Name the file that could not be written, and say what to do."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inference.errors import TextClassifierError

REPEAT = "then give the same command again"


class OutputError(TextClassifierError):
    """A file or folder cannot be written; the message names it and says what to do."""


@contextmanager
def naming(path: Path | str, remedy: str = REPEAT) -> Iterator[None]:
    """Turn an operating system's error while ``path`` is written into one that names it.

    The errors of a full disk name no file, those of a temporary file name the wrong one, and
    libraries in Rust raise errors of their own. A pipe whose reader has read enough is no error
    of the user's, so ``BrokenPipeError`` passes.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except Exception as error:
        reason = _find_reason(error)
        if reason is None:
            raise
        raise OutputError(f"cannot write {path}: {reason}; correct that, {remedy}") from error


def _find_reason(error: Exception) -> str | None:
    """Return what the operating system says about an error, if it is one of its errors."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    code = re.search(r"\(os error (\d+)\)", str(error))  # as Rust writes it
    return os.strerror(int(code[1])) if code else None
