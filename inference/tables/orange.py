"""Recognize the header of Orange's .tab files, which has three rows.

Below the names of the columns come their types, then what they are for. See
https://orange3.readthedocs.io/projects/orange-data-mining-library/en/latest/reference/data.io.html
"""

from collections.abc import Sequence

HEADER_ROWS = 3
_TYPES = {"c", "continuous", "n", "numeric", "d", "discrete", "s", "string", "t", "time", "basket"}
_FLAGS = {"c", "class", "m", "meta", "i", "ignore", "w", "weight"}


def is_orange_header(types: Sequence[str], flags: Sequence[str]) -> bool:
    """Whether the second and the third row of a file describe its columns, rather than being rows.

    In place of a type, a column may have the list of its values.
    """
    types, flags = ([cell.strip().lower() for cell in cells] for cells in (types, flags))
    if len(types) < 2 or len(types) != len(flags) or not _TYPES.intersection(types):
        return False
    if any(flags):
        return all(word in _FLAGS or "=" in word for cell in flags for word in cell.split())
    return _TYPES.issuperset(filter(None, types))
