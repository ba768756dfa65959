"""Write rejects as a CSV table of lines and reasons."""

import csv
import io
from collections.abc import Iterable
from typing import TextIO

from inference.tables.rows import Reject

REJECTS = ".rejects.csv"  # after the name of the output


class RejectWriter:
    """Writes a header and then reject by reject."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(("line", "reason", "excerpt"))

    def write(self, reject: Reject) -> None:
        """Append a reject."""
        self._writer.writerow(reject)


def encode_rejects(rejects: Iterable[Reject]) -> bytes:
    """Return the whole table."""
    file = io.StringIO(newline="")
    writer = RejectWriter(file)
    for reject in rejects:
        writer.write(reject)
    return file.getvalue().encode()
