import io

import pytest

from inference.tables.blocks import Block, Blocks


def read_all(blocks: Blocks, size: int) -> list[Block]:
    found = []
    while block := blocks.read(size):
        found.append(block)
    return found


@pytest.mark.parametrize("size", [1, 3, 5, 100])
def test_blocks_end_where_lines_end_and_cover_the_file(size: int) -> None:
    data = b"a\nbb\n\nccccccc\nd"
    found = [block.data for block in read_all(Blocks(io.BytesIO(data)), size)]
    assert b"".join(found) == data
    assert all(block.endswith(b"\n") for block in found[:-1])


def test_a_line_that_is_too_long_loses_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a line over the limit between two short ones
    monkeypatch.setattr("inference.tables.blocks.MAX_ROW_BYTES", 10)
    monkeypatch.setattr("inference.tables.blocks.BLOCK_BYTES", 4)
    data = b"a\n" + b"x" * 50 + b"\nb\n"
    # WHEN all are read
    found = read_all(Blocks(io.BytesIO(data)), 4)
    # THEN the long one is cut, its size is known, and the next begins after its end
    assert [block.lost > 0 for block in found] == [False, True, False]
    assert found[1].size == 51
    assert len(found[1].data) <= 10
    assert found[2] == Block(b"b\n")


def test_the_line_in_which_a_limit_ends_is_left_out() -> None:
    assert read_all(Blocks(io.BytesIO(b"a\nbb\nccc\n"), limit=7), 100) == [Block(b"a\nbb\n")]


def test_every_block_is_shown_to_the_watcher() -> None:
    seen: list[bytes] = []
    Blocks(io.BytesIO(b"a\nb\nc"), watch=seen.append).read_through()
    assert b"".join(seen) == b"a\nb\nc"
