import io

import pytest

from inference.tables.content import Content
from inference.tables.encodings import Utf8Check
from inference.tables.quoting import ENOUGH_ROWS, choose_grammar
from inference.tables.shape import Shape

TEXTS = [f"{number}\ta headline\n" for number in range(100)]


def choose(text: str, delimiter: str, *, complete: bool = True) -> tuple[str, bool]:
    content = Content(io.BytesIO(text.encode()), complete)
    shape = Shape(delimiter, 2, numbers=(0,))
    grammar = choose_grammar(content, shape, Utf8Check())
    return grammar.quoting, grammar.spaced


def with_rows(*rows: str, delimiter: str = ",") -> str:
    """Add a hundred rows without quotes."""
    plain = [f"{number}{delimiter}a headline\n" for number in range(100)]
    return "".join([*plain[:50], *rows, *plain[50:]])


@pytest.mark.parametrize(
    ("rows", "quoting"),
    [
        (['1,"a, b"\n'], "standard"),
        (['1,"a\nb"\n'], "standard"),
        (['1,"a ""quote"""\n'], "standard"),
        (['1,"needlessly"\n'], "standard"),
        (['1,"a, b"\n', '2,"c, d"\n', '3,"open\n'], "standard"),
        (['1,"open\n'], "none"),
        (['1,"The Fed" rises\n'], "none"),
        (['1,5" screen\n'], "none"),
        (['1,"The Fed" rises\n', '2,"whole title"\n'], "none"),
        (['1,"a, b"\n', '2,5" screen\n', '3,6" screen\n'], "standard"),
        ([rf'{n},"say \"a\", b{n}"' + "\n" for n in range(9)], "backslash"),
        ([rf'{n},"a, b\nc{n}"' + "\n" for n in range(9)], "standard"),
    ],
)
def test_quotes_are_quotes_if_more_of_the_file_are_rows_that_way(
    rows: list[str], quoting: str
) -> None:
    assert choose(with_rows(*rows), ",") == (quoting, False)


def test_blanks_before_quotes_are_allowed_if_more_of_the_file_are_rows_that_way() -> None:
    rows = [f'{number}, "a, b{number}"\n' for number in range(9)]
    assert choose(with_rows(*rows), ",") == ("standard", True)


def test_one_open_quote_among_rows_that_are_all_quoted_changes_nothing() -> None:
    rows = [f'"{number}","a headline"\n' for number in range(50)]
    rows[20] = '"20","open\n'
    assert choose("".join(rows), ",") == ("standard", False)


def test_stray_quotes_around_whole_rows_are_characters() -> None:
    rows = ['0\t"open\n', *TEXTS[1:], '100\tthe end"\n']
    assert choose("".join(rows), "\t") == ("none", False)


@pytest.mark.parametrize(("delimiter", "quoting"), [("\t", "none"), (",", "standard")])
def test_without_a_quote_so_far_it_is_the_custom_of_the_format(
    delimiter: str, quoting: str
) -> None:
    assert choose(with_rows(delimiter=delimiter), delimiter, complete=False) == (quoting, False)


def test_a_text_that_breaks_off_where_the_look_ahead_ends_is_not_held_against_quotes() -> None:
    text = with_rows('1,"a, b"\n', '2,"c"\n') + '200,"a text\nthat goes on\n'
    assert choose(text, ",", complete=False) == ("standard", False)


@pytest.mark.parametrize(("row", "quoting"), [('1,"a, b"\n', "standard"), ('1,"a" b\n', "none")])
def test_the_rest_of_a_clear_file_is_only_checked_for_its_encoding(row: str, quoting: str) -> None:
    # GIVEN many rows of a kind
    text = row * (2 * ENOUGH_ROWS) + "2,a\n"
    shown: list[int] = []

    class Check(Utf8Check):
        def add(self, lines: bytes) -> None:
            shown.append(len(lines))

    # WHEN the quoting is chosen
    content = Content(io.BytesIO(text.encode()), complete=True)
    assert choose_grammar(content, Shape(",", 2), Check()).quoting == quoting
    # THEN every byte was checked
    assert sum(shown) == len(text)
