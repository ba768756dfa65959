import io
import json

import pytest

from inference.tables.columns import InputColumns
from inference.tables.json_lines import read_json_lines
from inference.tables.rows import BLANK, MISSING, NOT_A_STRING, NOT_UTF8, Reject, Row
from inference.tables.split import TOO_LONG

TITLE = InputColumns("title")
GOOD = b'{"title": "Mars"}'


def read(data: bytes, columns: InputColumns = TITLE) -> list[Row | Reject]:
    return list(read_json_lines(io.BytesIO(data), columns, 1))


def test_values_are_kept_as_text() -> None:
    lines = [{"title": "Fed", "id": 7, "tags": ["a"]}, {"title": "Mars", "id": None}]
    data = "\n".join(json.dumps(line) for line in lines).encode()
    assert read(data, InputColumns("title", ("id", "tags"))) == [
        Row(1, "Fed", ("7", '["a"]')),
        Row(2, "Mars", ("", "")),
    ]


def test_blank_lines_are_skipped() -> None:
    assert read(b'\n{"title": "Fed"}\r\n \n' + GOOD) == [Row(2, "Fed", ()), Row(4, "Mars", ())]


def test_case_and_blanks_of_a_key_are_forgiven() -> None:
    assert read(b'{" Title": "Fed"}') == [Row(1, "Fed", ())]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"title": ', "not JSON: Expecting value at character 11"),
        (b'["Fed"]', "not a JSON object"),
        (b"[" * 99_999, "not JSON that can be read"),
        (b'{"title": ' + b"9" * 5000 + b"}", "not JSON that can be read"),
        (b'{"title": 7}', NOT_A_STRING),
        (b'{"title": null}', MISSING),
        (b'{"name": "x"}', "no key 'title'"),
        (b'{"title": "\\ud800"}', NOT_UTF8),
        (b'{"title": "Caf\xe9"}', NOT_UTF8),
        (b'{"title": "\\u0000"}', BLANK),
        (b'{"title": "a", "id": 1, "title": "b"}', "the key 'title' is there 2 times"),
        (b'{"Title": "a", "TITLE": "b"}', "2 columns are named 'title': 'Title' and 'TITLE'; "
         "rename all but one of them"),
    ],
)  # fmt: skip
def test_a_bad_line_is_rejected_and_the_next_one_is_read(line: bytes, reason: str) -> None:
    first, reject, last = read(b"\n".join([GOOD, line, GOOD]))
    assert (first, last) == (Row(1, "Mars", ()), Row(3, "Mars", ()))
    assert isinstance(reject, Reject)
    assert (reject.line, reject.reason) == (2, reason)


def test_a_key_may_be_there_twice_at_different_depths_and_in_a_text() -> None:
    line = b'{"title": "a \\"title\\" of \\"title\\"", "b": {"title": "c"}}'
    assert read(line) == [Row(1, 'a "title" of "title"', ())]


def test_a_key_that_is_written_in_ascii_is_found_twice_too() -> None:
    (reject,) = read(b'{"t\\u00eate": "a", "t\\u00eate": "b"}', InputColumns("tête"))
    assert isinstance(reject, Reject)
    assert "2 times" in reject.reason


def test_a_line_that_is_too_long_is_rejected_in_bounded_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("inference.tables.blocks.MAX_ROW_BYTES", 3 << 20)
    found = read(b"\n".join([GOOD, b'{"title": "' + b"x" * (5 << 20), GOOD]))
    assert [one.line for one in found] == [1, 2, 3]
    assert isinstance(found[1], Reject)
    assert found[1].reason == TOO_LONG
