"""Recognize the header of Orange's .tab files, which has three rows.

Below the names of the columns come their types, then what they are for. See
https://orange3.readthedocs.io/projects/orange-data-mining-library/en/latest/reference/data.io.html
Files that people wrote leave out cells at the end of the third row, or all of them.
"""

import re
from collections.abc import Sequence

HEADER_ROWS = 3
_TYPES = {"c", "continuous", "n", "numeric", "d", "discrete", "categorical"} | {
    *("s", "string", "text", "t", "time", "basket")
}
_FLAGS = {"c", "class", "m", "meta", "i", "ignore", "w", "weight"}
_BLANK = re.compile(r"(?<!\\)\s+")  # a blank within a value is written `\ `


def is_orange_header(types: Sequence[str], flags: Sequence[str], width: int) -> bool:
    """Whether the second and the third row of a file describe its columns, rather than being rows.

    In place of a type, a column may have the list of its values.

    Args:
        types: the cells of the second row.
        flags: the cells of the third row; none if that line is blank.
        width: how many columns the first row names.
    """
    types, flags = ([cell.strip().lower() for cell in cells] for cells in (types, flags))
    if width < 2 or max(len(types), len(flags)) > width or not _TYPES.intersection(types):
        return False
    if not all(_is_flag(word) for cell in flags for word in _BLANK.split(cell)):
        return False
    if any(flags) and len(types) == len(flags) == width:
        return True
    # Fewer cells than columns are a broken row in other files, too, so types must be plain.
    are_types = all(cell in _TYPES or (any(flags) and _is_list(cell)) for cell in types if cell)
    has_every_type = len(types) == width and all(types)
    return are_types and (any(flags) or len(flags) == width or has_every_type)


def _is_flag(word: str) -> bool:
    return not word or word in _FLAGS or "=" in word


def _is_list(cell: str) -> bool:
    """Whether a cell has several values: Orange writes no list of one."""
    return len(_BLANK.split(cell)) > 1
