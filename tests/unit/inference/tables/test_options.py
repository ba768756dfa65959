import pytest

from inference.tables.errors import TableError
from inference.tables.options import ReadOptions


@pytest.mark.parametrize(
    ("given", "delimiter"),
    [("tab", "\t"), (r"\t", "\t"), (";", ";"), ("pipe", "|"), ("\x01", "\x01"), ("none", "")],
)
def test_a_delimiter_is_a_character_or_its_name(given: str, delimiter: str) -> None:
    assert ReadOptions(delimiter=given).delimiter == delimiter


@pytest.mark.parametrize("given", ["||", "§", '"', "\n"])
def test_other_delimiters_are_refused(given: str) -> None:
    with pytest.raises(TableError, match=r"--delimiter: .* give one ASCII character or one of tab"):
        ReadOptions(delimiter=given)


@pytest.mark.parametrize(
    ("given", "encoding"), [("UTF-8", "utf-8"), ("utf-8-sig", "utf-8"), ("latin-1", "iso8859-1")]
)
def test_an_encoding_has_the_name_that_python_gives_it(given: str, encoding: str) -> None:
    assert ReadOptions(encoding=given).encoding == encoding


@pytest.mark.parametrize("given", ["utf-99", "base64", ""])
def test_an_unknown_encoding_is_refused_with_common_ones(given: str) -> None:
    with pytest.raises(TableError, match=r"--encoding: .* common ones are utf-8"):
        ReadOptions(encoding=given)
