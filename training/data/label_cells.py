"""What the cells of labels say: one label, a list of labels, or a 0 or 1 for each.

A list is read as one only if the user says so, because a cell does not tell: `Arts, Entertainment`
may be one label or two. But if cells look like lists, a note names the option.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

SEPARATORS = (";", "|", ",", "/")  # what lists are usually written with
YES, NO = frozenset({"1", "1.0", "true"}), frozenset({"0", "0.0", "false"})
SHOWN = 60  # characters of a cell in a note


def split_cell(cell: str, separator: str) -> tuple[str, ...]:
    """Return the labels in a cell, each once; a blank cell has none.

    A list of JSON lines or Parquet is a list, whatever the separator.

    Raises:
        ValueError: the list has something other than labels in it, or a label that could not be
            written next to others.
    """
    values = _read_list(cell)
    if values is None:
        return _clean(cell.split(separator))
    if not all(isinstance(value, str | int | float) for value in values):
        raise ValueError("the list of labels holds something other than texts and numbers")
    labels = _clean(map(str, values))
    for label in labels:
        if separator in label:
            raise ValueError(
                f"the label {_shorten(label)!r} has the separator {separator!r} in it: give "
                "another --label-separator"
            )
    return labels


def _clean(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label for label in map(str.strip, labels) if label))


def read_flag(cell: str) -> bool | None:
    """Return whether a 0/1 cell says yes; None if it says neither."""
    value = cell.strip().lower()
    return True if value in YES else False if value in NO else None


def choose_separator(labels: Sequence[str]) -> str:
    """Choose what to write between labels: the first separator that is in none of them."""
    return next((one for one in SEPARATORS if not any(one in label for label in labels)), ";")


def find_lists(cells: Sequence[str]) -> list[str]:
    """Say which label cells look like lists, and by which option they are read as such.

    A cell looks like a list if each of its parts is in another cell too, alone or in a list, or if
    no blank follows its separators, as in `a,b`.

    Args:
        cells: the cells of a label column that are read as one label each.
    """
    distinct = sorted({cell.strip() for cell in cells})
    lists = [cell for cell in distinct if _read_list(cell)]
    if lists:
        return [_describe(lists[0], len(lists), ";")]
    for separator in SEPARATORS:
        found = _find_joined(distinct, separator)
        if found:
            return [_describe(found[0], len(found), separator)]
    return []


def _find_joined(cells: Sequence[str], separator: str) -> list[str]:
    split = {cell: split_cell(cell, separator) for cell in cells}
    counts = Counter(part for parts in split.values() for part in parts)
    return [
        cell
        for cell, parts in split.items()
        if len(parts) > 1
        and (
            all(counts[part] > 1 for part in parts)
            or (separator != "/" and f"{separator} " not in cell)
        )
    ]


def _describe(cell: str, count: int, separator: str) -> str:
    shown = _shorten(cell)
    others = f", and {count - 1:,} others," if count > 1 else ""
    return (
        f"the label {shown!r}{others} looks like a list of labels, but is read as one label; if "
        f"texts may have several, give --label-separator '{separator}'"
    )


def _shorten(cell: str) -> str:
    return cell if len(cell) <= SHOWN else f"{cell[: SHOWN - 1]}…"


def _read_list(cell: str) -> list[Any] | None:
    """Read the JSON of a list; None if the cell is something else."""
    if not cell.lstrip().startswith("["):
        return None
    try:
        values = json.loads(cell)
    except (ValueError, RecursionError):  # RecursionError: a great many brackets
        return None
    return values if isinstance(values, list) else None
