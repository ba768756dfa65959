"""Tell outputs that take bytes at once, such as stdout or a FIFO, from files that are replaced."""

import os
import re
import stat
from pathlib import Path

from inference.s3_uri import SCHEME
from inference.tables.formats import PIPE

STDIN, STDOUT, STDERR = 0, 1, 2
_NAMED = {PIPE: STDOUT, "/dev/stdin": STDIN, "/dev/stdout": STDOUT, "/dev/stderr": STDERR}
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
MAX_LINKS = 40  # followed by Linux, too


def is_stream(location: str) -> bool:
    """Whether an output is written to at once: an open file, a FIFO, a device."""
    if location.startswith(SCHEME):
        return False
    if _find_descriptor(location) is not None:
        return True
    try:
        mode = Path(location).stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def open_stream(location: str) -> int:
    """Return a file descriptor to write to; a FIFO waits here for its reader.

    An open file is shared with its owner, and so not cut: ``/dev/stdout`` goes on after what the
    shell has written with ``>>``.
    """
    descriptor = _find_descriptor(location)
    return os.open(location, os.O_WRONLY) if descriptor is None else os.dup(descriptor)


def write_stream(descriptor: int, data: bytes) -> None:
    """Write all of some data."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def stat_output(location: str) -> os.stat_result | None:
    """Return what an output is now, after all links; None if there is nothing yet."""
    descriptor = _find_descriptor(location)
    try:
        return Path(location).stat() if descriptor is None else os.fstat(descriptor)
    except OSError:
        return None


def _find_descriptor(location: str) -> int | None:
    """Return the open file that a name stands for, if it does or is a link to one that does."""
    for _ in range(MAX_LINKS):
        if location in _NAMED:
            return _NAMED[location]
        if match := _DESCRIPTOR.fullmatch(location):
            return int(match[1])
        path = Path(location)
        if not path.is_symlink():
            return None
        location = str(path.parent / path.readlink())
    return None
