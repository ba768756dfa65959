import pytest

from operations.smoke import SmokeError, check_api, parse_header


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


@pytest.mark.parametrize(
    "url",
    [
        "http://exa mple",
        "https://api.example.com/a b",
        "https://api.example.com\n",
        "http://localhost:http",
        "http://[::1",
        "http://",
        "ftp://example.com",
        "api.example.com",
    ],
)
def test_what_is_no_url_is_refused_at_once(url: str) -> None:
    # GIVEN something that no request can be sent to WHEN it is checked THEN it is not tried again
    with pytest.raises(SmokeError, match="is no URL such as https://"):
        check_api(url, {}, pauses=[600])
