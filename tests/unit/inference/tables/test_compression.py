import bz2
import gzip
import io
import lzma
from collections.abc import Callable

import pytest

from inference.tables import compression
from inference.tables.compression import decompress

CONTENT = b"id,text\n" + b"".join(b"%d,Fed holds rates\n" % number for number in range(5000))


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_joined_files_give_all_of_their_content_however_it_is_read(
    compress: Callable[[bytes], bytes], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN three compressed files in a row
    monkeypatch.setattr(compression, "READ_BYTES", size)
    data = compress(CONTENT[:100]) + compress(b"") + compress(CONTENT[100:])
    file, note = decompress(io.BytesIO(data))
    # WHEN they are read twice THEN the content is there both times
    for _ in range(2):
        assert file.read(3) + file.read() == CONTENT
        file.seek(0)
    assert not note


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_zeros_between_files_and_after_them_are_padding(
    compress: Callable[[bytes], bytes],
) -> None:
    data = compress(CONTENT[:100]) + bytes(8) + compress(CONTENT[100:]) + bytes(100_000)
    file, _ = decompress(io.BytesIO(data))
    assert file.read() == CONTENT


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress])
def test_what_is_no_compressed_file_does_not_follow_one(
    compress: Callable[[bytes], bytes],
) -> None:
    file, _ = decompress(io.BytesIO(compress(CONTENT) + b"garbage"))
    with pytest.raises((OSError, lzma.LZMAError)):
        file.read()
