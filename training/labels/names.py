"""Names of labels for people: short, few, and still apart."""

from collections import Counter
from collections.abc import Sequence

LISTED = 10  # labels in a sentence
LONGEST = 40  # characters of a label in a line or a table


def name_some(labels: Sequence[str], limit: int = LISTED) -> str:
    """List labels in a sentence: all of a few, the first ones of many."""
    names = shorten(labels)
    if len(names) <= limit:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit:,} more"


def shorten(labels: Sequence[str]) -> list[str]:
    """Return labels in one line and at most ``LONGEST`` characters each, no two of them alike."""
    names = [_shorten(label) for label in labels]
    counts = Counter(names)
    return [f"{name} #{number}" if counts[name] > 1 else name for number, name in enumerate(names)]


def _shorten(label: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in label).split())
    if len(line) <= LONGEST:
        return line
    end = LONGEST // 4
    return f"{line[: LONGEST - end - 1]}…{line[-end:]}"
