import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.tables.grammar import Grammar, strip_line_end, unify_line_ends

COMMA = Grammar(",", "standard")


@pytest.mark.parametrize(
    ("grammar", "record", "values"),
    [
        (COMMA, b'a,"b, c",d', [b"a", b"b, c", b"d"]),
        (COMMA, b'"say ""a""",,""', [b'say "a"', b"", b""]),
        (COMMA, b'"two\nlines",x', [b"two\nlines", b"x"]),
        (COMMA, b'5" screen,a"b', [b'5" screen', b'a"b']),
        (COMMA, b'a, "b"', [b"a", b' "b"']),
        (Grammar(",", "standard", spaced=True), b'a, "b, c" ,d', [b"a", b"b, c", b"d"]),
        (Grammar(",", "backslash"), rb'"a \"b\", c","\\"', [b'a "b", c', b"\\"]),
        (Grammar(",", "backslash"), rb'"a\nb",c\n', [rb"a\nb", rb"c\n"]),
        (Grammar("\t", "none"), b'"a\tb"', [b'"a', b'b"']),
        (Grammar("|", "standard"), b'"a|b"|c', [b"a|b", b"c"]),
        (Grammar("", "standard"), b'"a, ""b"""', [b'a, "b"']),
        (Grammar("", "none"), b"a, b", [b"a, b"]),
    ],
)
def test_a_record_is_split_into_its_values(
    grammar: Grammar, record: bytes, values: list[bytes]
) -> None:
    assert grammar.split(record) == values
    assert grammar.quoting == "none" or grammar.record.fullmatch(record)


@pytest.mark.parametrize(
    "record", [b'a,"b', b'a,"b" c', b'"a"b,c', b'a,"b"",c\n', b'"', b'a,"b\n1,c\n']
)
def test_a_record_whose_quotes_are_wrong_does_not_match(record: bytes) -> None:
    assert COMMA.record.match(record) is None


@pytest.mark.parametrize(
    ("record", "is_open"),
    [(b'a,"b', True), (b'a,"b\n1,""', True), (b'a,"b" c', False), (b'"a"b,"', False)],
)
def test_quotes_that_may_yet_be_closed_are_told_from_wrong_ones(
    record: bytes, is_open: bool
) -> None:
    assert (COMMA.opened.match(record) is not None) == is_open


def test_lines_match_as_far_as_each_is_a_row_on_its_own() -> None:
    lines = COMMA.match_lines(2)
    assert lines
    good = b'1,"a, b"\r\n2,c\n"3",""\n'
    for next_line in (b'4,"d\ne"\n', b'4,d"e\n', b"4\n", b"4,d,e\n", b"\n", b'4,"d" e\n'):
        found = lines.match(good + next_line)
        assert found
        assert found.group() == good


def test_the_columns_of_a_record_are_found_by_their_positions() -> None:
    found = COMMA.match_clean(4).fullmatch(b'a,"b, ""c""",d,e\r\n')
    assert found
    assert COMMA.match_clean(3).match(b"a,b,c,d\n") is None
    assert COMMA.match_clean(2).match(b'a,5" screen\n') is None


def test_line_ends_are_dropped_once() -> None:
    assert strip_line_end(b"a\r\r\n") == b"a\r"
    assert strip_line_end(b"a\r") == b"a"
    assert unify_line_ends(b"a\r\nb\r\r\n") == b"a\nb\r"
    assert unify_line_ends(b"a\nb\r") == b"a\nb"


FIELDS = st.text(st.sampled_from('ab ,"\n\té\u2028'), max_size=8)


@given(st.lists(st.lists(FIELDS, min_size=2, max_size=2), max_size=6), st.booleans())
def test_good_records_have_the_fields_that_the_csv_module_finds(
    rows: list[list[str]], quote_all: bool
) -> None:
    # GIVEN some rows that the csv module wrote
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL).writerows(rows)
    data = file.getvalue().encode()
    # WHEN they are matched and split one after the other
    found, position = [], 0
    while position < len(data):
        match = COMMA.record.match(data, position)
        assert match
        found.append([value.decode() for value in COMMA.split(strip_line_end(match.group()))])
        position = match.end()
    # THEN they are the same
    assert found == rows


@given(st.text(st.sampled_from('ab ,"'), max_size=12))
def test_a_line_matches_if_the_csv_module_reads_it(line: str) -> None:
    try:
        expected = next(csv.reader([line], strict=True), [])
    except csv.Error:
        expected = None
    match = COMMA.record.fullmatch(line.encode())
    assert (match is None) == (expected is None)
    if match and line:
        assert [value.decode() for value in COMMA.split(line.encode())] == expected
