"""Count the rows that could not be read, and say where they are."""

from dataclasses import dataclass, field

from inference.tables.errors import MissingColumnError, TableError, join_words
from inference.tables.rows import MissingKey, Reject

SHOWN = 5  # of the others, by their lines
SKIP = "leave out bad rows with --skip-bad-rows"


@dataclass
class BadRows:
    """Counts the rejects of a file and keeps the first few."""

    location: str
    count: int = 0
    first: list[Reject] = field(default_factory=list)

    def add(self, reject: Reject) -> None:
        """Count a reject."""
        self.count += 1
        if len(self.first) <= SHOWN:
            self.first.append(reject)

    @property
    def shown(self) -> list[Reject]:
        """The first rejects, few enough for a screen."""
        return self.first[:SHOWN]

    def make_error(self) -> TableError:
        """Return an error about the first reject that says how many more there are."""
        first, *others = self.first
        remedy = f"correct it, or {SKIP}"
        if others:
            remedy = f"{self._count_others(others)}; correct them, or {SKIP}"
        kind = MissingColumnError if isinstance(first.reason, MissingKey) else TableError
        error = kind(first.reason, line=first.line, excerpt=first.excerpt, remedy=remedy)
        return error.in_file(self.location)

    def describe_all(self) -> str:
        """Say that no row of the file is good, and what the first of them is."""
        return (
            f"{self.location}: all {self.count:,} rows were rejected; the first is "
            f"{self.first[0].describe()}"
        )

    def _count_others(self, others: list[Reject]) -> str:
        if self.count == 2:
            return f"one more row is bad, in line {others[0].line}"
        lines = join_words([str(reject.line) for reject in others])
        the_first = "the first in" if self.count > 1 + len(others) else "in"
        return f"{self.count - 1} more rows are bad, {the_first} lines {lines}"
