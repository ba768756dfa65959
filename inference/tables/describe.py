"""Say how a file was read and what became of its rows, for bulk scoring and training alike."""

from inference.tables.bad_rows import BadRows
from inference.tables.layout import Layout


def describe_reading(location: str, layout: Layout, note: str = "") -> str:
    """Describe in one line how a file is read, in the words of the options that override it."""
    line = f"{location}: read as {layout.describe()}"
    return f"{line}; {note}" if note else line


def describe_balance(used: int, what: str, bad_rows: BadRows) -> str:
    """Say in one line what became of all rows of a file; ``what`` names the used ones: scored."""
    total = used + bad_rows.count
    return f"{bad_rows.location}: {total:,} rows = {used:,} {what} + {bad_rows.count:,} rejected"


def describe_bad_rows(bad_rows: BadRows, listed_in: str = "") -> str:
    """List the first bad rows, one on each line; empty if there is none.

    Args:
        bad_rows: the bad rows of a file.
        listed_in: the file that lists all of them, if there is one.
    """
    lines = [reject.describe() for reject in bad_rows.shown]
    if left := bad_rows.count - len(lines):
        lines.append(f"and {left:,} more")
    if lines and listed_in:
        lines.append(f"all of them are in {listed_in}")
    return "\n".join(f"  {line}" for line in lines)
