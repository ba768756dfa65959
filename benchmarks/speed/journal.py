"""What a run has measured so far, so that the same command continues it after Ctrl-C."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Record:
    """What one candidate took in one round of a section, in one mode."""

    section: str
    mode: str
    name: str
    wall: float  # milliseconds by the clock: of a call, a start, a text or a token
    cpu: float | None = None  # milliseconds of CPU time
    first: float | None = None  # milliseconds by the clock of the first calls after others' turns
    peak: float | None = None  # megabytes


Key = tuple[str, int, str]  # part, round, mode


class Journal:
    """A file with the finished rounds of a run that is not complete."""

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        """Open it; rounds of another run are forgotten.

        Args:
            path: the file.
            run: what identifies the run: its options, the code, the machine.
        """
        self._path = path
        self._rounds = dict(self._read(run))
        if not self._rounds:
            path.write_text(json.dumps({"run": run}) + "\n")

    @property
    def records(self) -> list[Record]:
        """All records, in the order of their rounds."""
        return [record for records in self._rounds.values() for record in records]

    def of_part(self, part: str) -> list[Record]:
        """Return the records of one part."""
        return [
            record for key, records in self._rounds.items() if key[0] == part for record in records
        ]

    def __contains__(self, key: Key) -> bool:
        return key in self._rounds

    def __len__(self) -> int:
        return len(self._rounds)

    def add(self, key: Key, records: list[Record]) -> Self:
        """Add a finished round."""
        self._rounds[key] = records
        line = json.dumps({"key": key, "records": [asdict(record) for record in records]})
        with self._path.open("a") as file:
            file.write(line + "\n")
        return self

    def delete(self) -> None:
        """Delete the file: the run is complete."""
        self._path.unlink(missing_ok=True)

    def _read(self, run: Mapping[str, Any]) -> Iterable[tuple[Key, list[Record]]]:
        if not self._path.exists():
            return
        lines = self._path.read_text().splitlines(keepends=True)
        if not lines or _parse(lines[0]) != {"run": json.loads(json.dumps(run))}:
            return
        for line in lines[1:]:
            entry = _parse(line)
            if entry is None:  # cut short when the run was killed
                self._path.write_text("".join(lines[: lines.index(line)]))
                return
            part, number, mode = entry["key"]
            yield (part, number, mode), [Record(**record) for record in entry["records"]]


def _parse(line: str) -> Any:
    try:
        return json.loads(line) if line.endswith("\n") else None
    except ValueError:
        return None
