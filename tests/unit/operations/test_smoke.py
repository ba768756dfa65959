import pytest

from operations.smoke import SmokeError, parse_header


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("", {}),
        ("x-api-key: KEY", {"x-api-key": "KEY"}),
        ("authorization:Bearer a:b", {"authorization": "Bearer a:b"}),
    ],
)
def test_a_header_is_a_name_and_a_value(line: str, header: dict[str, str]) -> None:
    assert parse_header(line) == header


@pytest.mark.parametrize("line", ["KEY", ": KEY"])
def test_a_header_without_a_name_is_refused(line: str) -> None:
    with pytest.raises(SmokeError, match="NAME: VALUE"):
        parse_header(line)
