"""Make sure that a run writes nothing over what it reads."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from inference.bulk.placement import staging_folder
from inference.bulk.rejects import REJECTS
from inference.bulk.request import BulkError
from inference.bulk.streams import STDIN, is_stream, stat_output
from inference.s3_uri import SCHEME
from inference.tables.formats import PIPE

ANOTHER = "give another name"


def require_apart(source: str, output: str, others: Iterable[Path] = ()) -> None:
    """Check every path that a run writes against those it reads, after all links.

    Args:
        source: the input.
        output: the output, beside which rejects are written.
        others: more files that are read: those of the model.

    Raises:
        BulkError: one would be written over.
    """
    written = [output] if is_stream(output) else [output, output + REJECTS]
    for location in written:
        name = "--output" if location == output else f"the rejects file {location}"
        if _is_same(location, source):
            raise BulkError(f"{name} would overwrite the input: {ANOTHER} than {output}")
        if any(_is_same(location, str(other)) for other in others):
            raise BulkError(f"{name} would overwrite a file of the model: {ANOTHER}")
    if len(written) == 2 and _is_same(*written):
        raise BulkError(f"{output} and {written[1]} are the same file: delete the link")
    is_local = not any(one == PIPE or one.startswith(SCHEME) for one in (source, output))
    if is_local and not is_stream(output):
        real, folder = Path(source).resolve(), staging_folder(output)
        if folder in (real, *real.parents):
            raise BulkError(f"the run would write to {folder}, where the input is: {ANOTHER}")


def _is_same(output: str, source: str) -> bool:
    if source.startswith(SCHEME) or output.startswith(SCHEME):
        return source == output
    now = stat_output(output)
    if now is None:  # two names may be links to one place where nothing is yet
        return os.path.realpath(output) == os.path.realpath(source)
    if not (stat.S_ISREG(now.st_mode) or stat.S_ISFIFO(now.st_mode)):
        return False  # a terminal is often both ends
    try:
        return os.path.samestat(now, os.fstat(STDIN) if source == PIPE else Path(source).stat())
    except OSError:
        return False
