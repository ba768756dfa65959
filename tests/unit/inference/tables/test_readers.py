import io
from typing import BinaryIO, cast

import pytest

from inference.tables.readers import RewindableReader, prepend


class Upper(RewindableReader):
    """Gives the content of a file in capitals, with a mark before it."""

    def start(self) -> None:
        self._rest = b"!"

    def get(self, size: int) -> bytes:
        data = self._rest[:size] or self.file.read(size).upper()
        self._rest = self._rest[len(data) :]
        return data


def test_a_reader_goes_back_to_the_beginning_and_nowhere_else() -> None:
    reader = Upper(io.BytesIO(b"fed holds"))
    file = io.BufferedReader(reader)
    assert (file.read(), file.seek(0), file.read()) == (b"!FED HOLDS", 0, b"!FED HOLDS")
    assert reader.seekable()
    with pytest.raises(io.UnsupportedOperation, match="only a return to the beginning"):
        reader.seek(3)


def test_some_bytes_come_before_a_file_that_stays_open() -> None:
    file = io.BytesIO(b"holds")
    with prepend(b"Fed ", cast(BinaryIO, file)) as joined:
        assert (joined.read(2), joined.read()) == (b"Fe", b"d holds")
    assert not file.closed
