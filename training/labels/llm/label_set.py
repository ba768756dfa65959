"""The labels to choose from: their names, what they mean, and examples."""

import io
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inference.s3_uri import SCHEME
from inference.tables.columns import InputColumns
from inference.tables.errors import TableError
from inference.tables.options import ReadOptions
from inference.tables.reader import read_rows
from inference.tables.recognize import recognize
from inference.tables.rows import Reject
from training.data.examples import DataError
from training.data.fetch import fetch
from training.data.read import ask_if_equal

LABEL, DESCRIPTION, EXAMPLE = "label", "description", "example"  # the columns of a file
FILE_TYPES = (".csv", ".tsv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class Label:
    """A label, what it means, and texts that have it."""

    name: str
    description: str = ""
    examples: tuple[str, ...] = ()


def read_labels(labels: str) -> tuple[Label, ...]:
    """Read labels: names that commas separate, or a file of them.

    Args:
        labels: ``Business,Science``, or a file with the column `label`, and if wanted `description`
            and `example`. More examples of a label are in more rows, which repeat its name.

    Raises:
        DataError: there are fewer than two labels, or one is there twice.
    """
    if any(unicodedata.category(character) == "Cs" for character in labels):
        raise DataError("--labels is not valid in the terminal's encoding")
    if _is_file(labels):
        return require_different(_read_file(labels), labels)
    names = [name.strip() for name in labels.split(",")]
    return require_different([Label(name) for name in names if name], "--labels")


def require_different(labels: Sequence[Label], source: str) -> tuple[Label, ...]:
    """Check that there are two labels or more, no two of which are the same to a reader.

    Raises:
        DataError: it is not so.
    """
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.setdefault(fold(label.name), label.name)
        if other != label.name:
            raise DataError(f"{source}: {ask_if_equal(label.name, other)}")
    if len(seen) < len(labels):
        raise DataError(f"{source}: a label is named twice")
    if len(labels) < 2:
        raise DataError(f"{source}: give two labels or more, such as Business,Science")
    return tuple(labels)


def fold(name: str) -> str:
    """Drop what readers overlook in a label: case, blanks around it, ways to write a character."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _is_file(labels: str) -> bool:
    return (
        labels.startswith(SCHEME)
        or labels.lower().endswith(FILE_TYPES)
        or ("," not in labels and Path(labels).is_file())
    )


def _read_file(location: str) -> list[Label]:
    """Read a file of labels, and join the rows of each."""
    descriptions: dict[str, str] = {}
    examples: dict[str, list[str]] = {}
    for line, name, description, example in _read_rows(location):
        before = descriptions.setdefault(name, description)
        if description and before and description != before:
            raise DataError(f"{location}, line {line}: {name!r} has another description above")
        descriptions[name] = before or description
        examples.setdefault(name, []).extend([example] if example else [])
    return [
        Label(name, description, tuple(dict.fromkeys(examples[name])))
        for name, description in descriptions.items()
    ]


def _read_rows(location: str) -> Iterator[tuple[int, str, str, str]]:
    columns = InputColumns(LABEL, (DESCRIPTION, EXAMPLE), frozenset({DESCRIPTION, EXAMPLE}))
    content, _ = fetch(location)
    try:
        layout = recognize(io.BytesIO(content), columns, ReadOptions(), name=location)
        for row in read_rows(io.BytesIO(content), layout, columns):
            if isinstance(row, Reject):
                raise DataError(f"{location}, {row.describe()}")
            description, example = (value.strip() for value in row.kept)
            yield row.line, row.text.strip(), description, example
    except TableError as error:
        raise DataError(str(error.in_file(location))) from error
