import codecs
import io

import pytest

from inference.tables.encodings import Utf8Check, detect_encoding, open_as_utf8
from inference.tables.errors import TableError

TEXT = "id,text\n1,Café “naïve” 😂\n" * 50


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8"),
        (TEXT.encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("utf-32"), "utf-32"),
        (TEXT.encode("latin-1", "replace"), "utf-8"),
        (b"1,a\x00b\n2,\x00\n" * 9, "utf-8"),
        ("id,text\n1,火星\n".encode("iso2022_jp"), "iso2022_jp"),
        (b"\x1b[1mbold\x1b[0m $B\n", "utf-8"),
        (b"", "utf-8"),
    ],
)
def test_an_encoding_is_known_by_its_marks_or_its_nul_bytes(data: bytes, encoding: str) -> None:
    assert detect_encoding(data) == encoding


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32", "utf-7", "gb18030"])
@pytest.mark.parametrize("newline", ["\n", "\r"])
@pytest.mark.parametrize("size", [1, 3, 1 << 18])
def test_any_encoding_is_read_as_utf8(
    encoding: str, newline: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a file in some encoding, with the line ends of some system
    monkeypatch.setattr("inference.tables.encodings.CHUNK_BYTES", size)
    file = io.BytesIO(TEXT.replace("\n", newline).encode(encoding))
    # WHEN it is opened THEN its content is UTF-8, and so it is a second time
    content = open_as_utf8(file, encoding, newline)
    for _ in range(2):
        assert content.read().decode() == TEXT
        content.seek(0)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("a\n".encode("utf-16-le") + b"\x00\xd8" + "\nb\n".encode("utf-16-le"), "utf-16-le"),
        (b"a\n\x81\nb\n", "cp1252"),
        ("a\n\nb\n".encode("utf-16-be") + b"\x00", "utf-16-be"),
    ],
)
def test_what_cannot_be_decoded_is_not_utf8_afterwards(data: bytes, encoding: str) -> None:
    content = open_as_utf8(io.BytesIO(data), encoding, "\n").read()
    assert content.count(b"\xff") == 1
    assert content.replace(b"\xff", b"") == b"a\n\nb\n"


def check(*blocks: bytes) -> None:
    utf8 = Utf8Check()
    for block in blocks:
        utf8.add(block)
    utf8.require_utf8()


def test_a_file_in_utf8_may_have_damaged_rows() -> None:
    check(b"id,text\n", "1,Café\n2,naïve\n".encode(), b"3,Caf\xe9\n")


def test_a_file_in_another_encoding_is_an_error_that_shows_a_line_and_the_option() -> None:
    with pytest.raises(TableError) as caught:
        check(b"id,text\n1,plain\n", b"2,plain\n3,Caf\xe9 na\xefve\n")
    message = str(caught.value)
    found = r"line 4: the file is not UTF-8: '3,Caf\xe9 na\xefve', in cp1252 '3,Café naïve'; "
    assert message.startswith(found)
    assert "--encoding cp1252" in message


def test_a_long_line_is_shown_from_shortly_before_the_byte() -> None:
    with pytest.raises(TableError) as caught:
        check(b"x" * 5000 + b"Caf\xe9" + b"x" * 5000)
    assert r"Caf\xe9" in caught.value.excerpt
    assert len(caught.value.excerpt) <= 120
