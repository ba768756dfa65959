import pytest

from inference.tables.shape import Shape, learn_shape

LABELS = [[b"%d" % n, b"a text", [b"red", b"blue"][n % 2]] for n in range(30)]


def test_columns_of_numbers_and_of_few_values_are_found() -> None:
    shape = learn_shape(",", [*LABELS, [b"too", b"short"]], 3)
    assert shape.numbers == (0,)
    assert set(shape.values) == {1, 2}
    assert len(shape.values[2]) == 2


@pytest.mark.parametrize(
    ("fields", "is_row"),
    [
        ([b"7", b"a text", b"red"], True),
        ([b'"7"', b'"a text"', b'"blue"\r'], True),
        ([b"7", b"a text"], False),
        ([b"seven", b"a text", b"red"], False),
        ([b"7", b"a text", b"green"], False),
    ],
)
def test_a_row_has_the_width_and_the_kinds_of_values(fields: list[bytes], is_row: bool) -> None:
    assert learn_shape(",", LABELS, 3).is_row(fields) == is_row


def test_little_is_learnt_from_few_rows() -> None:
    assert learn_shape(",", [[b"1", b"red"]], 2) == Shape(",", 2)


@pytest.mark.parametrize("number", [b"7", b"-3.5", b"2014-03-10", b"12:30:00", b"1,5", b"1e9"])
def test_dates_and_times_are_numbers_too(number: bytes) -> None:
    assert learn_shape(";", [[number, b"x"], [number, b"y"]], 2).numbers == (0,)


NUMBERED = Shape(",", 2, numbers=(0,))


@pytest.mark.parametrize(
    ("shape", "record", "has_rows"),
    [
        (NUMBERED, b'1,"open\n2,a text\n3,the end"', True),
        (NUMBERED, b'1,"a letter\nDear sir, hello\nyours, Ann"', False),
        (NUMBERED, b'1,"two lines\n2,perhaps"', False),
        (NUMBERED, b'1,"a list, of\n2,apples\n3,plums"', False),
        (Shape("\t", 2), b'"open\tx\nthe end"\ty', True),
        (Shape("\t", 2), b'"two\nlines"\ty', False),
        (Shape(",", 2, numbers=(0,), has_line_breaks=True), b'1,"a list\n2,plums\n3,pears"', False),
        (Shape("", 1), b'"a\nb\nc\nd"', False),
    ],
)
def test_rows_between_stray_quotes_are_told_from_a_text(
    shape: Shape, record: bytes, has_rows: bool
) -> None:
    assert shape.has_rows_within(record) == has_rows


def test_a_tenth_of_the_lines_may_look_otherwise() -> None:
    rows = [b'1,"open', *(b"%d,a" % n for n in range(2, 40)), b'40,end"']
    assert NUMBERED.has_rows_within(b"\n".join([*rows[:20], b"bad", *rows[20:]]))
    assert not NUMBERED.has_rows_within(b"\n".join([*rows[:20], *[b"bad"] * 9, *rows[20:]]))
