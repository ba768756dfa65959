"""Find the columns to read among those that a file has."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from inference.tables.errors import MissingColumnError, TableError, join_words, shorten, show

TEXT_LENGTH = 40  # a value of line 1 that is longer is more likely a text than a name
MAX_NAMES = 12  # shown in a message
_NUMBER = re.compile(r"\s*[-+]?\d[\d.,:/-]*\s*")


@dataclass(frozen=True)
class InputColumns:
    """The columns to read: names, or positions from 0 in CSV and TSV files without a header."""

    text: str
    keep: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()  # kept if the file has them; otherwise empty
    header: tuple[str, ...] = ()  # the names of the columns of a file without a header

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the text's first."""
        return (self.text, *self.keep)

    @property
    def by_position(self) -> bool:
        """Whether a CSV or TSV file has no header."""
        return self.text.isdecimal()


def normalize_name(name: str) -> str:
    """Drop what people overlook in the name of a column: case, blanks around it, quotes."""
    return " ".join(name.replace("\ufeff", "").replace("\u200b", "").strip('"').split()).casefold()


def find_name(name: str, present: Sequence[str]) -> int | None:
    """Return the position of a column; None if no column has that name.

    Raises:
        TableError: several columns have the name.
    """
    found = [position for position, one in enumerate(present) if one == name]
    if not found:
        wanted = normalize_name(name)
        found = [position for position, one in enumerate(present) if normalize_name(one) == wanted]
    if len(found) > 1:
        same = join_words([repr(shorten(present[position])) for position in found[:MAX_NAMES]])
        raise TableError(
            f"{len(found)} columns are named {name!r}: {same}", remedy="rename all but one of them"
        )
    return found[0] if found else None


def find_columns(
    columns: InputColumns, present: Sequence[str], line: int | None = None
) -> list[int | None]:
    """Return the positions of the text and of the kept columns, None for an optional one.

    Args:
        columns: the columns to read.
        present: the names that the file has.
        line: the number of the line that has them.

    Raises:
        TableError: the file lacks a column, or has two of the name.
    """
    positions = []
    for name in columns.names:
        try:
            position = find_name(name, present)
        except TableError as error:
            error.line = line
            raise
        if position is None and name not in columns.optional:
            raise _missing(name, present, line)
        positions.append(position)
    return positions


def find_positions(columns: InputColumns, width: int) -> list[int | None]:
    """Return the positions that the columns are named by.

    Raises:
        TableError: there is no such position.
    """
    for name in columns.names:
        if not name.isdecimal():
            raise MissingColumnError(
                f"no column {name!r} in a file without a header",
                remedy=f"name columns by their positions, 0 to {width - 1}",
            )
        if int(name) >= width:
            remedy = f"the file has columns 0 to {width - 1}"
            raise MissingColumnError(f"no column {name!r}", remedy=remedy)
    return [int(name) for name in columns.names]


def looks_like_data(fields: Sequence[str]) -> bool:
    """Whether a line is more likely a row than a header: it has a long text or a number."""
    return max(map(len, fields), default=0) > TEXT_LENGTH or any(map(_NUMBER.fullmatch, fields))


def _missing(name: str, present: Sequence[str], line: int | None) -> MissingColumnError:
    if line is not None and looks_like_data(present):
        longest = max(present, key=len)
        return MissingColumnError(
            f"no column {name!r}. Is this line a header? It has a value of {len(longest)} "
            "characters",
            line=line,
            excerpt=show(longest),
            remedy="if the file has no header, say --no-header and name columns by their "
            f"positions, 0 to {len(present) - 1}",
        )
    shown = ", ".join(map(shorten, present[:MAX_NAMES]))
    if len(present) > MAX_NAMES:
        shown += f" and {len(present) - MAX_NAMES} more"
    near = {normalize_name(one): one for one in present}
    guesses = difflib.get_close_matches(normalize_name(name), near, n=1)
    guess = f"; did you mean {shorten(near[guesses[0]])!r}?" if guesses else ""
    excerpt = f"the file has {shown}{guess}"
    return MissingColumnError(f"no column {name!r}", line=line, excerpt=excerpt)
