"""Recognize the encoding of a file, and read any as UTF-8."""

import codecs
import io
import re
from typing import BinaryIO

from inference.tables.errors import TableError, show
from inference.tables.readers import RewindableReader

BOMS = {  # the longer first
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
MARK = "tables.mark"
SHOWN = 40  # characters of a line, in each of two encodings
CHUNK_BYTES = 1 << 18
_ESCAPED_BYTES = re.compile("[\udc80-\udcff]")
_ISO2022_JP = re.compile(rb"\x1b\$[@B]")  # here begin two-byte characters
NUL_SHARE = 0.3  # of every second byte, in UTF-16 without a mark; more than any other text has

# An undecodable part becomes a byte that is not UTF-8, so its row is rejected.
codecs.register_error(MARK, lambda error: ("\udcff", error.end))  # type: ignore[attr-defined]


def detect_encoding(head: bytes) -> str:
    """Return the encoding that the marks in a file say; UTF-8 without any.

    These are the mark at its beginning, the NUL bytes of UTF-16, or the escape sequences of
    ISO-2022-JP, which otherwise would be read as ASCII.
    """
    for bom, encoding in BOMS.items():
        if head.startswith(bom):
            return encoding
    if _ISO2022_JP.search(head) and head.isascii():
        return "iso2022_jp"
    even, odd = head[0::2], head[1::2]
    if odd and odd.count(0) > NUL_SHARE * len(odd) and even.count(0) < odd.count(0) / 4:
        return "utf-16-le"
    if even and even.count(0) > NUL_SHARE * len(even) and odd.count(0) < even.count(0) / 4:
        return "utf-16-be"
    return "utf-8"


class Utf8Check:
    """Counts what is UTF-8 in a file and what is not."""

    def __init__(self) -> None:
        self._lines = 0
        self._valid = self._invalid = 0  # bytes of characters that are not ASCII
        self._first: tuple[int, bytes] | None = None  # the first invalid line

    def add(self, lines: bytes) -> None:
        """Take the next lines."""
        if not lines.isascii():
            self._count(lines)
        self._lines += lines.count(b"\n")

    def _count(self, lines: bytes) -> None:
        try:
            text = lines.decode()
        except UnicodeDecodeError as error:
            text = lines.decode(errors="surrogateescape")
            self._invalid += len(_ESCAPED_BYTES.findall(text))
            if self._first is None:
                line = self._lines + 1 + lines.count(b"\n", 0, error.start)
                begin = lines.rfind(b"\n", 0, error.start) + 1
                begin = max(begin, error.start - SHOWN // 2)
                self._first = line, lines[begin:].partition(b"\n")[0].rstrip(b"\r")
        self._valid += len(lines) - len(text)

    def require_utf8(self) -> None:
        """Make sure that the file is UTF-8, but for some damaged rows.

        No guess is made between the 8-bit encodings: in short texts it is too often wrong.

        Raises:
            TableError: it has another encoding.
        """
        if self._first is None or self._valid >= self._invalid:
            return
        line, content = self._first
        as_windows = show(content.decode("cp1252", "replace")[:SHOWN])
        raise TableError(
            "the file is not UTF-8",
            line=line,
            excerpt=f"{show(content[:SHOWN])}, in cp1252 {as_windows}",
            remedy="save it as UTF-8, or name its encoding: --encoding cp1252 (of Windows in "
            "Western Europe) or another; with --encoding utf-8, only rows like this are bad",
        )


def open_as_utf8(file: BinaryIO, encoding: str, newline: str) -> BinaryIO:
    r"""Return the content of a file as UTF-8 with lines that end in ``\n`` or ``\r\n``."""
    if encoding == "utf-8" and newline == "\n":
        return file
    return io.BufferedReader(_Utf8Reader(file, encoding, newline), CHUNK_BYTES)


class _Utf8Reader(RewindableReader):
    """Decodes a file and encodes it again."""

    def __init__(self, file: BinaryIO, encoding: str, newline: str) -> None:
        self._encoding, self._newline = encoding, newline
        super().__init__(file)

    def start(self) -> None:
        errors = "surrogateescape" if self._encoding == "utf-8" else MARK
        self._decoder = codecs.getincrementaldecoder(self._encoding)(errors)
        self._buffer = b""

    def get(self, size: int) -> bytes:
        while not self._buffer:
            data = self.file.read(CHUNK_BYTES)
            text = self._decoder.decode(data, final=not data)
            if self._newline == "\r":
                text = text.replace("\r", "\n")
            self._buffer = text.encode("utf-8", "surrogateescape")
            if not data:
                break
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken
