import io

from inference.tables.lines import MAX_LINE, Lines


def test_lines_are_numbered_from_the_given_first_line() -> None:
    lines = Lines(io.BytesIO(b"a\nb\n"), first=7)
    assert [(line, lines.number) for line in lines] == [("a\n", 7), ("b\n", 8)]


def test_a_byte_order_mark_is_dropped_from_the_first_line_only() -> None:
    mark = "\ufeff".encode()
    lines = Lines(io.BytesIO(mark + b"a\n" + mark + b"b\n"))
    assert list(lines) == ["a\n", "\ufeffb\n"]


def test_a_line_that_is_too_long_loses_its_end_and_counts_as_cut() -> None:
    # GIVEN a line of more than twice the limit between two short ones
    data = b"a\n" + b"x" * (2 * MAX_LINE + 1) + b"\nb\n"
    lines = Lines(io.BytesIO(data))
    # WHEN all are read
    found = list(lines)
    # THEN the long one is cut, and the next begins after its end
    assert found == ["a\n", "x" * MAX_LINE, "b\n"]
    assert lines.cut == 1
    assert lines.number == 3
    assert lines.bytes_read == len(data)


def test_a_line_of_exactly_the_limit_is_whole() -> None:
    lines = Lines(io.BytesIO(b"x" * (MAX_LINE - 1) + b"\n"))
    assert len(next(lines)) == MAX_LINE
    assert lines.cut == 0
