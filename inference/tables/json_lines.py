"""Read JSON lines: one JSON object on each line."""

import json
from collections.abc import Iterator
from typing import Any

from inference.tables.lines import TOO_LONG, Lines
from inference.tables.rows import InputColumns, Reject, Row, make_row


def read_json_lines(lines: Lines, columns: InputColumns) -> Iterator[Row | Reject]:
    """Read the rows of a file; blank lines are skipped."""
    cut = lines.cut
    for line in lines:
        if lines.cut > cut:
            cut = lines.cut
            yield Reject(lines.number, TOO_LONG)
        elif line.strip():
            yield _to_row(lines.number, line, columns)


def _to_row(number: int, line: str, columns: InputColumns) -> Row | Reject:
    record = _parse(line)
    if not isinstance(record, dict):
        return Reject(number, "not a JSON object")
    kept = [record.get(name) for name in columns.keep]
    return make_row(number, record.get(columns.text), kept)


def _parse(line: str) -> Any:
    """Return the value of a line; None if it is not JSON or is nested too deep."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
