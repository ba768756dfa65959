import gzip
import json
import zlib

import pytest

from inference.api.json_body import decode_json, require_uncompressed
from inference.api.problems import ProblemError


def problem_of(data: bytes) -> ProblemError:
    with pytest.raises(ProblemError) as raised:
        decode_json(data)
    return raised.value


@pytest.mark.parametrize("data", [b'{"text": "\xc3\xa9"}', b'\xef\xbb\xbf {"text": "\\u00e9"}\r\n'])
def test_json_in_utf_8_is_decoded_with_or_without_a_byte_order_mark(data: bytes) -> None:
    assert decode_json(data) == {"text": "é"}


@pytest.mark.parametrize("data", [b"", b" \r\n\t", b"\xef\xbb\xbf", "\u2003".encode()])
def test_an_empty_body_is_named_as_one(data: bytes) -> None:
    assert problem_of(data).detail.startswith("The body is empty.")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "expecting property name enclosed in double quotes at line 1, column 2"),
        (b"{'text': 'a'}", "expecting property name enclosed in double quotes at line 1, column 2"),
        (b'{"text": "a",\n "b"}', "expecting ':' delimiter at line 2, column 5"),
        (b'{"text": "a"}\n{"text": "b"}', "extra data at line 2, column 1"),
        (b'{"text": "a\nb"}', "invalid control character at line 1, column 12"),
        (b"text=secret", "expecting value at line 1, column 1"),
        (b'\xef\xbb\xbf{"text": secret}', "expecting value at line 1, column 10"),
        ('{"é": secret}'.encode(), "expecting value at line 1, column 7"),
    ],
)
def test_a_fault_in_the_syntax_is_named_with_its_place_and_without_the_text(
    data: bytes, reason: str
) -> None:
    detail = problem_of(data).detail
    assert detail == f"The body is not JSON: {reason}."
    assert "secret" not in detail


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_named(constant: str) -> None:
    assert f"it contains {constant}," in problem_of(f'{{"text": [{constant}]}}'.encode()).detail


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b'{"text": "a", "text": "b"}', "text"),
        (b'{"text": "a", "\\u0074ext": "b"}', "text"),
        (b'{"a": [{"b": {"c": 1, "d": 2, "c": 1}}]}', "c"),
        (b'{"": 1, "": 2}', ""),
        (b'{"\\ud800": 1, "\\ud800": 2}', "?"),
        (json.dumps({"x" * 200: 1})[:-1].encode() + b', "' + b"x" * 200 + b'": 2}', "x" * 100),
    ],
)
def test_a_key_that_occurs_twice_is_named(data: bytes, key: str) -> None:
    assert problem_of(data).detail == f'An object in the body has the key "{key}" twice.'


@pytest.mark.parametrize(
    ("data", "offset"),
    [(b'{"text": "\xff"}', 10), (b'\xef\xbb\xbf{"text": "\xff"}', 13)],
)
def test_a_byte_that_is_not_utf_8_is_named_with_its_place(data: bytes, offset: int) -> None:
    assert f"byte 0xff at offset {offset}" in problem_of(data).detail


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_another_encoding_of_unicode_is_named(encoding: str) -> None:
    detail = problem_of('{"text": "a"}'.encode(encoding)).detail
    assert detail == f"The body seems to be in {encoding[:6].upper()}. Send it in UTF-8."


def test_what_python_cannot_read_is_not_called_wrong_json() -> None:
    assert "nested too deeply" in problem_of(b"[" * 100_000).detail
    assert "thousands of digits" in problem_of(b"9" * 5000).detail


@pytest.mark.parametrize(
    ("data", "encoding"), [(gzip.compress(b"{}"), "gzip"), (zlib.compress(b"{}"), "deflate")]
)
def test_a_compressed_body_is_refused_with_the_name_of_its_encoding(
    data: bytes, encoding: str
) -> None:
    problem = problem_of(data)
    assert (problem.status, problem.headers) == (415, {"Accept-Encoding": "identity"})
    assert f"({encoding})" in problem.detail


@pytest.mark.parametrize(
    ("header", "named"), [("gzip", "gzip"), ("identity, BR", "br"), ("gzip, x", "gzip, x")]
)
def test_a_content_encoding_is_refused_by_its_name(header: str, named: str) -> None:
    with pytest.raises(ProblemError) as raised:
        require_uncompressed(header)
    assert raised.value.status == 415
    assert f"({named})" in raised.value.detail


@pytest.mark.parametrize("header", [None, "", "identity", "Identity"])
def test_an_encoding_that_changes_nothing_is_accepted(header: str | None) -> None:
    require_uncompressed(header)
