import json
from typing import Any

import pytest

from inference.tables.rows import MAX_CHARACTERS, InputColumns, Reject, Row, make_row


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "the text is missing"),
        (7, "the text is not a string"),
        (" \t", "the text is blank"),
        ("x" * (MAX_CHARACTERS + 1), "the text has more than 131072 characters"),
        (json.loads('"\\ud800"'), "not valid UTF-8"),
        (b"F\xe9d".decode(errors="surrogateescape"), "not valid UTF-8"),
    ],
)
def test_a_bad_text_is_rejected_with_the_reason(text: Any, reason: str) -> None:
    assert make_row(3, text, []) == Reject(3, reason)


def test_a_kept_value_that_is_not_utf_8_is_rejected() -> None:
    assert make_row(3, "Fed", ["\ud800"]) == Reject(3, "not valid UTF-8")


def test_kept_values_become_text() -> None:
    row = make_row(1, "Fed", ["a", 7, None, ["ä"], True, {"b": 1}])
    assert row == Row(1, "Fed", ("a", "7", "", '["ä"]', "true", '{"b": 1}'))


@pytest.mark.parametrize(("text", "by_position"), [("title", False), ("0", True), ("-1", False)])
def test_a_text_column_that_is_a_number_is_a_position(text: str, by_position: bool) -> None:
    assert InputColumns(text).by_position is by_position
