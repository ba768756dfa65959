import pytest

from inference.tables.bad_rows import BadRows
from inference.tables.rows import Reject


def make(lines: list[int]) -> str:
    bad = BadRows("x.csv")
    for line in lines:
        bad.add(Reject(line, "the text is blank", "' '"))
    assert bad.count == len(lines)
    return str(bad.make_error())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([7], "x.csv, line 7: the text is blank: ' '; correct it, or leave out bad rows with "
         "--skip-bad-rows"),
        ([7, 9], "x.csv, line 7: the text is blank: ' '; one more row is bad, in line 9; correct "
         "them, or leave out bad rows with --skip-bad-rows"),
        ([7, 9, 11], "x.csv, line 7: the text is blank: ' '; 2 more rows are bad, in lines 9 and "
         "11; correct them, or leave out bad rows with --skip-bad-rows"),
        (list(range(1, 1001)), "x.csv, line 1: the text is blank: ' '; 999 more rows are bad, the "
         "first in lines 2, 3, 4, 5 and 6; correct them, or leave out bad rows with "
         "--skip-bad-rows"),
    ],
)  # fmt: skip
def test_the_error_shows_the_first_bad_row_and_says_how_many_more_there_are(
    lines: list[int], message: str
) -> None:
    assert make(lines) == message
