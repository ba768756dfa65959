"""The error of files that cannot be read, and excerpts of what was found in them."""

from typing import Self

from inference.errors import TextClassifierError

MAX_EXCERPT = 100  # characters


class TableError(TextClassifierError):
    """A file cannot be read or written as rows; the message says what to do.

    The message has the form ``FILE, line N: PROBLEM: EXCERPT; REMEDY``.
    """

    def __init__(
        self, problem: str, *, line: int | None = None, excerpt: str = "", remedy: str = ""
    ) -> None:
        """Describe a problem; ``excerpt`` is what was found, as ``show`` returns it."""
        super().__init__(problem)
        self.problem, self.line, self.excerpt, self.remedy = problem, line, excerpt, remedy
        self.location = ""

    def __str__(self) -> str:
        place = [self.location] if self.location else []
        place += [f"line {self.line}"] if self.line is not None else []
        message = ": ".join(part for part in (", ".join(place), self.problem, self.excerpt) if part)
        return f"{message}; {self.remedy}" if self.remedy else message

    def in_file(self, location: str) -> Self:
        """Add the name of the file, unless the error already has one."""
        self.location = self.location or location
        return self

    def without_content(self) -> str:
        """Return the message without the excerpt, for logs that must not hold texts."""
        self.excerpt, excerpt = "", self.excerpt
        try:
            return str(self)
        finally:
            self.excerpt = excerpt


class MissingColumnError(TableError):
    """A file lacks a column that is to be read."""


class UnreadableError(TableError):
    """The operating system could not read a file; another try may succeed."""


def show(content: bytes | str) -> str:
    """Return the beginning of some content in quotes, in printable characters."""
    if isinstance(content, bytes):
        content = content[: 4 * MAX_EXCERPT].decode(errors="backslashreplace")
    shown = "".join(map(_escape, content[:MAX_EXCERPT]))
    is_cut = len(content) > MAX_EXCERPT or len(shown) > MAX_EXCERPT - 2
    return f"'{shown[: MAX_EXCERPT - 3]}…'" if is_cut else f"'{shown}'"


def shorten(name: str, length: int = 40) -> str:
    """Return a name in printable characters, cut to some length."""
    shown = "".join(map(_escape, name[: length + 1]))
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte, as surrogateescape decodes it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def join_words(words: list[str], conjunction: str = "and") -> str:
    """Join words as a sentence does: a, b and c."""
    *others, last = words
    return f"{', '.join(others)} {conjunction} {last}" if others else last
