import io
import zlib

import pytest

from inference.tables.blocks import Blocks
from inference.tables.grammar import Grammar
from inference.tables.shape import Shape
from inference.tables.split import BAD_QUOTES, TOO_LONG, Splitter

SHAPE = Shape(",", 2, numbers=(0,))


@pytest.fixture(params=[1, 16, 1 << 20], autouse=True)
def _block_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.tables.split.BLOCK_BYTES", request.param)


def split(data: bytes, shape: Shape = SHAPE) -> list[tuple[int, bytes, str]]:
    splitter = Splitter(Blocks(io.BytesIO(data)), Grammar(",", "standard"), shape)
    return [(line, piece, part.problem) for part in splitter for line, piece in part.pieces()]


def test_records_are_found_with_the_numbers_of_their_lines() -> None:
    assert split(b'1,a\n2,"b\n\nc"\r\n\n3,d"e\n4,f') == [
        (1, b"1,a\n", ""),
        (2, b'2,"b\n\nc"\r\n', ""),
        (5, b"\n", ""),
        (6, b'3,d"e\n', ""),
        (7, b"4,f", ""),
    ]


@pytest.mark.parametrize("broken", [b'2,"open\n', b'2,"two" words\n', b'2,"a""\n', b'2,"a","b"c\n'])
def test_wrong_quotes_cost_one_line(broken: bytes) -> None:
    assert split(b"1,a\n" + broken + b'3,"b, c"\n4,d\n') == [
        (1, b"1,a\n", ""),
        (2, broken, BAD_QUOTES),
        (3, b'3,"b, c"\n', ""),
        (4, b"4,d\n", ""),
    ]


def test_a_quote_that_is_open_to_the_end_of_the_file_costs_one_line() -> None:
    rows = [b"%d,text\n" % number for number in range(3000)]
    found = split(b"".join([*rows[:40], b'40,"open\n', *rows[41:]]))
    assert len(found) == 3000
    assert [piece for piece in found if piece[2]] == [(41, b'40,"open\n', BAD_QUOTES)]


def test_two_stray_quotes_with_rows_between_them_cost_one_line() -> None:
    # GIVEN a quote that opens in one row, and one that could close it some rows later
    rows = [b"%d,text\n" % number for number in range(50)]
    rows[10], rows[40] = b'10,"open\n', b'40,it is 17"\n'
    # WHEN the rows are split THEN those between the quotes are there
    found = split(b"".join(rows))
    assert len(found) == 50
    assert [piece for piece in found if piece[2]] == [(11, b'10,"open\n', BAD_QUOTES)]


def test_where_texts_have_line_breaks_the_rest_of_a_broken_text_goes_with_it() -> None:
    shape = Shape(",", 2, numbers=(0,), has_line_breaks=True)
    found = split(b'1,"a\nb"\n2,"open\nsecond line\n\nlast\n3,"c\nd"\n', shape)
    assert found == [
        (1, b'1,"a\nb"\n', ""),
        (3, b'2,"open\nsecond line\n\nlast\n', BAD_QUOTES),
        (7, b'3,"c\nd"\n', ""),
    ]


@pytest.mark.parametrize(
    "shape",
    [
        Shape(",", 2, numbers=(1,), has_line_breaks=True),
        Shape(",", 2, values={1: (zlib.crc32(b"4"), zlib.crc32(b"5"))}, has_line_breaks=True),
    ],
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_rows_after_a_broken_text_are_known_by_their_last_column_too(
    shape: Shape, line_end: bytes
) -> None:
    # GIVEN a broken text before rows whose last column is a number or a label
    lines = [b'"a" b,4', b"rest of it", b"c,5", b"d,4"]
    # WHEN they are split THEN only the rest of the text goes with it
    found = split(b"".join(line + line_end for line in lines), shape)
    assert [line for line, _, problem in found if not problem] == [3, 4]
    assert [line for line, _, problem in found if problem] == [1]


@pytest.mark.parametrize("block_bytes", [1, 7, 90])
def test_a_line_that_is_too_long_is_bad_and_the_next_is_not(
    block_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("blocks", "split"):
        monkeypatch.setattr(f"inference.tables.{module}.MAX_ROW_BYTES", 100)
        monkeypatch.setattr(f"inference.tables.{module}.BLOCK_BYTES", block_bytes)
    data = b'1,a\n2,"open\n3,' + b"x" * 5000 + b"\n4,b\n"
    found = split(data)
    assert [(line, problem) for line, _, problem in found] == [
        (1, ""),
        (2, BAD_QUOTES),
        (3, TOO_LONG),
        (4, ""),
    ]


@pytest.mark.parametrize("block_bytes", [1, 7, 50])
@pytest.mark.parametrize(("length", "problem"), [(99, ""), (100, TOO_LONG)])
def test_the_limit_of_a_line_is_exact(
    block_bytes: int, length: int, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("blocks", "split"):
        monkeypatch.setattr(f"inference.tables.{module}.MAX_ROW_BYTES", 100)
        monkeypatch.setattr(f"inference.tables.{module}.BLOCK_BYTES", block_bytes)
    found = split(b"1,a\n" + b"x" * length + b"\n2,b\n")
    assert [one[2] for one in found] == ["", problem, ""]


def test_lines_that_are_parsed_already_come_with_their_records() -> None:
    def parse(data: bytes) -> list[list[str]] | None:
        return [["parsed"]] * data.count(b"\n")

    (part, *_) = Splitter(Blocks(io.BytesIO(b'1,"a"\n')), Grammar(",", "standard"), SHAPE, 1, parse)
    assert part.records == [["parsed"]]
