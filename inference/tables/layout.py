"""How the content of a file is read: its format, encoding and dialect."""

from dataclasses import dataclass
from typing import Literal

from inference.tables.columns import InputColumns, find_columns, find_positions
from inference.tables.formats import FileFormat
from inference.tables.grammar import Grammar
from inference.tables.options import NAMES, Quoting
from inference.tables.shape import Shape

Newline = Literal["\n", "\r"]


@dataclass(frozen=True)
class Dialect:
    """How the rows of a CSV or TSV file are written."""

    quoting: Quoting
    spaced: bool  # whether blanks come before and after quoted fields
    header: tuple[str, ...]  # the names of the columns; empty if they have none
    header_line: int  # the number of the line that has them; 0 if none has
    shape: Shape

    def make_grammar(self) -> Grammar:
        """Return the dialect as regular expressions."""
        return Grammar(self.shape.delimiter, self.quoting, spaced=self.spaced)

    def describe(self) -> list[str]:
        """Describe separator and quoting."""
        delimiter = self.shape.delimiter
        name = NAMES.get(delimiter, repr(delimiter))
        spaced = " with blanks around quotes" if self.spaced else ""
        return [f"delimiter {name}", f"quoting {self.quoting}{spaced}"]

    def find(self, columns: InputColumns) -> list[int | None]:
        """Return the positions of the text and of the kept columns, None for a missing one.

        Raises:
            TableError: the file lacks a column that is not optional.
        """
        if self.header:
            return find_columns(columns, self.header, self.header_line or None)
        return find_positions(columns, self.shape.width)


@dataclass(frozen=True)
class Layout:
    """How the content of a file is read.

    Offsets are in the decompressed content, read as UTF-8.
    """

    file_format: FileFormat
    encoding: str = "utf-8"
    newline: Newline = "\n"
    begin: int = 0  # the byte at which the rows begin
    line: int = 1  # the number of the line there
    dialect: Dialect | None = None  # of CSV and TSV; None for an empty file

    @property
    def is_plain(self) -> bool:
        """Whether the content is read as UTF-8 without a conversion."""
        return self.encoding == "utf-8" and self.newline == "\n"

    def describe(self) -> str:
        """Describe the layout in the words of the options: csv, delimiter tab, quoting none."""
        words: list[str] = [self.file_format]
        if self.file_format != "parquet":
            words += self.dialect.describe() if self.dialect else []
            words.append(f"encoding {self.encoding}")
        words += [] if self.newline == "\n" else ["CR line ends"]
        if self.dialect:
            words.append(self._describe_header(self.dialect.header_line))
        return ", ".join(words)

    def _describe_header(self, first: int) -> str:
        last = self.line - 1
        if not first:
            return "no header"
        return f"header in lines {first} to {last}" if first < last else f"header in line {first}"
