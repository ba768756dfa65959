"""Files that are read only forward, or from the beginning again."""

import io
from typing import BinaryIO, cast


class ForwardReader(io.RawIOBase):
    """A file that gives its bytes once, in order."""

    def get(self, size: int) -> bytes:
        """Read this many bytes at most; none at the end."""
        raise NotImplementedError

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        """Read some bytes into ``target``."""
        data = self.get(len(target))
        target[: len(data)] = data
        return len(data)


class RewindableReader(ForwardReader):
    """A file made of another, which can be read from the beginning again if that one can."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.start()

    def start(self) -> None:
        """Begin to read the other file, which is at its beginning."""
        raise NotImplementedError

    def seekable(self) -> bool:
        """Whether it can be read again."""
        return self.file.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go back to the beginning."""
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("only a return to the beginning")
        self.file.seek(0)
        self.start()
        return 0


class _Prepended(ForwardReader):
    """Some bytes, and then a file."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head, self._file = head, file

    def get(self, size: int) -> bytes:
        data = self._head[:size] or self._file.read(size)
        self._head = self._head[len(data) :]
        return data


def prepend(head: bytes, file: BinaryIO) -> BinaryIO:
    """Return a file with some bytes before those of another, which it does not close."""
    return cast(BinaryIO, io.BufferedReader(_Prepended(head, file)))
