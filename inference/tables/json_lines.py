"""Read JSON lines: one JSON object on each line."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from inference.tables.blocks import Blocks
from inference.tables.columns import InputColumns, find_name
from inference.tables.errors import TableError, show
from inference.tables.rows import NOT_UTF8, MissingKey, Reject, Row, make_row
from inference.tables.split import TOO_LONG


class _RowError(Exception):
    """A line is not a row."""


def read_json_lines(file: BinaryIO, columns: InputColumns, line: int) -> Iterator[Row | Reject]:
    """Read rows from where the file is now; blank lines are skipped.

    Args:
        file: the content.
        columns: the columns to read.
        line: the number of the first line.
    """
    reader = _RowReader(columns)
    blocks = Blocks(file)
    while block := blocks.read():
        if block.lost:
            yield Reject(line, TOO_LONG, show(block.data))
            line += 1
            continue
        for number, data in enumerate(block.data.split(b"\n"), line):
            if data and not data.isspace():
                yield reader.read(number, data)
        line += block.data.count(b"\n")


class _RowReader:
    """Makes rows of lines."""

    def __init__(self, columns: InputColumns) -> None:
        self._text, self._names = columns.text, columns.names
        # How names are written in JSON: as they are, or in ASCII.
        self._keys = {key for name in self._names for key in (f'"{name}"', json.dumps(name))}

    def read(self, number: int, data: bytes) -> Row | Reject:
        """Read one line."""
        try:
            record = self._parse(data.decode())
            text, *kept = [
                record[name] if name in record else self._find(name, record) for name in self._names
            ]
        except UnicodeDecodeError:
            return Reject(number, NOT_UTF8, show(data))
        except _RowError as error:
            return Reject(number, error.args[0], show(data))
        except TableError as error:
            return Reject(number, str(error), show(data))
        return make_row(number, text, kept)

    def _parse(self, line: str) -> dict[str, Any]:
        """Return the object on a line; no column may be there twice."""
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise _RowError(f"not JSON: {error.msg} at character {error.pos + 1}") from None
        except (ValueError, RecursionError):
            raise _RowError("not JSON that can be read") from None
        if not isinstance(record, dict):
            raise _RowError("not a JSON object")
        for key in self._keys:
            if line.count(key) > 1:  # in a value, perhaps
                json.loads(line, object_pairs_hook=self._require_single)
        return record

    def _require_single(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        for name in self._names:
            if names.count(name) > 1:
                raise _RowError(f"the key {name!r} is there {names.count(name)} times")
        return dict(pairs)

    def _find(self, name: str, record: dict[str, Any]) -> Any:
        """Return the value of a column by a name that is not quite that of the key."""
        names = list(record)
        position = find_name(name, names)
        if position is not None:
            return record[names[position]]
        if name == self._text:
            raise _RowError(MissingKey(f"no key {name!r}"))
        return None
