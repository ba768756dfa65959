import pytest

from inference.tables.bad_rows import BadRows
from inference.tables.describe import describe_bad_rows, describe_balance, describe_reading
from inference.tables.layout import Dialect, Layout
from inference.tables.rows import Reject
from inference.tables.shape import Shape


def make_bad_rows(count: int) -> BadRows:
    bad_rows = BadRows("x.csv")
    for line in range(1, count + 1):
        bad_rows.add(Reject(line, "the text is blank", "' '"))
    return bad_rows


def test_a_reading_is_one_line_with_the_words_of_the_options() -> None:
    layout = Layout("csv", "utf-16", dialect=Dialect("none", False, ("a", "b"), 2, Shape(";", 2)))
    assert describe_reading("x.zip", layout, "reads x.csv") == (
        "x.zip: read as csv, delimiter semicolon, quoting none, encoding utf-16, "
        "header in line 2; reads x.csv"
    )


def test_used_and_rejected_rows_are_all_rows() -> None:
    assert describe_balance(1240, "scored", make_bad_rows(2)) == (
        "x.csv: 1,242 rows = 1,240 scored + 2 rejected"
    )


@pytest.mark.parametrize(
    ("count", "last"), [(5, "  line 5: the text is blank: ' '"), (1007, "  and 1,002 more")]
)
def test_the_first_bad_rows_are_listed_and_the_others_counted(count: int, last: str) -> None:
    lines = describe_bad_rows(make_bad_rows(count), "x.rejects.csv").splitlines()
    assert lines[0] == "  line 1: the text is blank: ' '"
    assert lines[-2:] == [last, "  all of them are in x.rejects.csv"]
    assert len(lines) <= 7


def test_a_file_without_bad_rows_lists_none() -> None:
    assert not describe_bad_rows(make_bad_rows(0), "x.rejects.csv")
