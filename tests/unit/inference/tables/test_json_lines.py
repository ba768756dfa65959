import io
import json

import pytest

from inference.tables.json_lines import read_json_lines
from inference.tables.lines import MAX_LINE, TOO_LONG, Lines
from inference.tables.rows import InputColumns, Reject, Row

TITLE = InputColumns("title")


def read(data: bytes, columns: InputColumns = TITLE) -> list[Row | Reject]:
    return list(read_json_lines(Lines(io.BytesIO(data)), columns))


def test_values_are_kept_as_text() -> None:
    lines = [{"title": "Fed", "id": 7, "tags": ["a"]}, {"title": "Mars", "id": None}]
    data = "\n".join(json.dumps(line) for line in lines).encode()
    assert read(data, InputColumns("title", ("id", "tags"))) == [
        Row(1, "Fed", ("7", '["a"]')),
        Row(2, "Mars", ("", "")),
    ]


def test_blank_lines_are_skipped() -> None:
    assert read(b'\n{"title": "Fed"}\n \n{"title": "Mars"}') == [
        Row(2, "Fed", ()),
        Row(4, "Mars", ()),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"title": ', "not a JSON object"),
        (b'["Fed"]', "not a JSON object"),
        (b"[" * 99_999, "not a JSON object"),
        (b'{"title": 7}', "the text is not a string"),
        (b'{"name": "x"}', "the text is missing"),
        (b'{"title": "\\ud800"}', "not valid UTF-8"),
        (b"x," * MAX_LINE, TOO_LONG),
    ],
)
def test_a_bad_line_is_rejected_and_the_next_one_is_read(line: bytes, reason: str) -> None:
    good = b'{"title": "Mars"}'
    assert read(b"\n".join([good, line, good])) == [
        Row(1, "Mars", ()),
        Reject(2, reason),
        Row(3, "Mars", ()),
    ]
