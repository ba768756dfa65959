"""Write labelled texts in the layout of a task's data, so that training reads them as new rows.

It is a CSV file, written as the data are if its user had to say how: the same separator, quoting,
encoding and header. Columns that only the data have stay empty; such a row belongs to no group.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.tables.options import ReadOptions
from inference.tables.rows import is_blank
from training.atomic import replacing
from training.data.examples import DataError
from training.data.read import read
from training.tasks import Task


@dataclass(frozen=True)
class LabelledText:
    """A text, its labels (one, unless the task allows several or none) and when it came."""

    text: str
    labels: tuple[str, ...]
    time: int = 0  # milliseconds since the epoch


class LabelledFile:
    """Writes rows for a task whose labels are known."""

    def __init__(self, task: Task, options: ReadOptions) -> None:
        """Take the layout of the task's data, and what the user said about their dialect."""
        self._task, self._options = task, options
        self._codes: dict[str, str] = {}
        for code, label in task.codes.items():
            self._codes.setdefault(label, code)
        self._columns = self._list_columns()

    def find_problem(self, row: LabelledText) -> str:
        """Say why a row cannot be written; empty if it can."""
        if unknown := [label for label in row.labels if label not in self._codes]:
            return f"{unknown[0]!r} is not a label of the model that serves"
        if not self._task.is_multi_label and len(row.labels) != 1:
            return f"it has {len(row.labels)} labels, and the model that serves gives one"
        separator = self._task.layout.label_separator
        if split := [label for label in row.labels if separator and separator in label]:
            return f"the label {split[0]!r} contains the separator of labels"
        return self.find_text_problem(row.text)

    def find_text_problem(self, text: str) -> str:
        """Say why a text cannot be written, whatever its labels; empty if it can."""
        if is_blank(text):
            return "the text is blank"
        try:
            text.encode(self._options.encoding or "utf-8")
        except UnicodeEncodeError:
            return f"the text has characters that {self._options.encoding} lacks"
        unquotable = (self._delimiter, "\n", "\r")
        if self._options.quoting == "none" and any(one in text for one in unquotable):
            return "the text has a separator or a line end, and the data have no quotes"
        return ""

    def write(self, rows: Sequence[LabelledText], path: Path) -> None:
        """Write rows completely or not at all, and read them back as training will.

        Raises:
            OutputError: The file cannot be written.
            DataError: Training would not read what was written.
        """
        with replacing(path) as temporary:
            self._write(temporary, [self._to_fields(*row) for row in enumerate(rows, start=1)])
            self._check(temporary, path, rows)

    def write_unlabelled(self, texts: Sequence[str], path: Path) -> None:
        """Write texts with empty cells for their labels, completely or not at all.

        Raises:
            OutputError: The file cannot be written.
        """
        layout = self._task.layout
        empty = {layout.label, *layout.label_columns}
        rows = [
            [
                "" if column in empty else cell
                for column, cell in zip(self._columns, fields, strict=True)
            ]
            for fields in (
                self._to_fields(number, LabelledText(text, ()))
                for number, text in enumerate(texts, start=1)
            )
        ]
        with replacing(path) as temporary:
            self._write(temporary, rows)

    def _write(self, path: Path, rows: Sequence[Sequence[str]]) -> None:
        encoding = self._options.encoding or "utf-8"
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file, **self._dialect)
            if not (self._options.no_header or self._task.layout.header):
                writer.writerow(self._columns)
            writer.writerows(rows)

    def _check(self, temporary: Path, path: Path, rows: Sequence[LabelledText]) -> None:
        try:
            examples = read(str(temporary), self._task, self._options).examples
        except DataError as error:
            raise DataError(str(error).replace(str(temporary), str(path))) from None
        if [example.text for example in examples] != [row.text for row in rows]:
            raise DataError(f"{path} would not be read as it was written: say how with --delimiter")

    @property
    def _delimiter(self) -> str:
        return self._options.delimiter or ","

    @property
    def _dialect(self) -> dict[str, Any]:
        rules: dict[str | None, dict[str, Any]] = {
            "backslash": {"doublequote": False, "escapechar": "\\"},
            "none": {"quoting": csv.QUOTE_NONE, "quotechar": None},
        }
        return {
            "delimiter": self._delimiter,
            "lineterminator": "\n",
            # So that the separator is found in short files, whatever separators their texts have.
            "quoting": csv.QUOTE_ALL,
            **rules.get(self._options.quoting, {}),
        }

    def _list_columns(self) -> list[str]:
        """Return the columns of the file; those without a header are named by their positions."""
        layout = self._task.layout
        names = [layout.text, layout.label, layout.group, layout.time, layout.source]
        used = [name for name in (*names, *layout.label_columns) if name]
        if layout.header:
            return list(layout.header)
        if self._options.no_header:
            return [str(position) for position in range(max(map(int, used)) + 1)]
        return used

    def _to_fields(self, number: int, row: LabelledText) -> list[str]:
        layout = self._task.layout
        codes = [self._codes[label] for label in row.labels]
        values = {
            "ID": str(number),
            **{column: str(int(column in codes)) for column in layout.label_columns},
            layout.text: row.text,
        }
        if layout.label:
            values[layout.label] = (layout.label_separator or "").join(codes)
        if layout.time:
            values[layout.time] = str(row.time)
        return [values.get(column, "") for column in self._columns]
