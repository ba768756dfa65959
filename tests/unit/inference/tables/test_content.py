import io

import pytest

from inference.tables.content import Content, open_head
from inference.tables.encodings import Utf8Check


def test_the_head_is_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.tables.content.HEAD_BYTES", 8)
    assert Content(io.BytesIO(b"id,a\n1,b\n2,c\n"), True).read_head() == b"id,a\n"
    assert Content(io.BytesIO(b"a long line\n"), True).read_head() == b"a long l"


def test_what_is_skipped_is_not_read_again() -> None:
    # GIVEN content that begins with a line for Excel
    content = Content(io.BytesIO(b"sep=;\na;b\n"), True)
    # WHEN it is skipped
    content.skip(6, lines=1)
    # THEN the head, the blocks and the check begin after it
    assert (content.read_head(), content.begin, content.line) == (b"a;b\n", 6, 2)
    shown: list[bytes] = []

    class Check(Utf8Check):
        def add(self, lines: bytes) -> None:
            shown.append(lines)

    for _ in range(2):
        content.read_through(Check())
    assert shown == [b"a;b\n", b"a;b\n"]


def test_the_head_can_be_read_in_blocks() -> None:
    block = open_head(b"a\nb").read()
    assert block
    assert block.data == b"a\n"
