"""What is wrong with a value is said in the words of pydantic, which clients have always read."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from inference.api.rules import (
    BLANK,
    NOT_BLANK,
    check_choice,
    check_count,
    check_flag,
    check_string,
    check_text,
)

MOST = 5
STRING = Annotated[str, Field(min_length=1, max_length=MOST, strict=True)]
TEXT = Annotated[str, Field(min_length=1, max_length=MOST, strict=True, pattern=NOT_BLANK)]
CHECKS: list[tuple[Callable[[Any], str | None], Any]] = [
    (lambda value: check_string(value, MOST), STRING),
    (lambda value: check_text(value, MOST), TEXT),
    (check_flag, Annotated[bool, Field(strict=True)]),
    (lambda value: check_choice(value, ("request", "item")), Literal["request", "item"]),
]
# What json.loads can return: strings may have half of a surrogate pair.
CHARACTERS = st.sampled_from("aé \t\u2003\u200b\ufeff\x00\ud800\U0001f600")
VALUES = (
    st.text(CHARACTERS, max_size=MOST + 2)
    | st.sampled_from(["request", "item", "true"])
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.none()
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text("a"), st.none(), max_size=1)
)


def explain(kind: Any, value: Any) -> str | None:
    """Say what pydantic finds wrong with a value."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False, include_input=False)
        return BLANK if first["type"] == "string_pattern_mismatch" else first["msg"]
    return None


@pytest.mark.parametrize(("check", "kind"), CHECKS)
@given(value=VALUES)
def test_values_are_wrong_for_the_reasons_of_pydantic(
    check: Callable[[Any], str | None], kind: Any, value: Any
) -> None:
    assert check(value) == explain(kind, value)


@pytest.mark.parametrize("value", [1, 7, 2.0, 10**30, 1e300])
def test_a_count_is_an_integer_however_it_is_written(value: float) -> None:
    assert check_count(value) is None


@pytest.mark.parametrize("value", [1.5, True, None, "2", float("inf"), float("nan"), [1]])
def test_another_value_is_no_count(value: Any) -> None:
    assert check_count(value) == "Input should be a valid integer"


@pytest.mark.parametrize("value", [0, -1, -2.0, -0.0])
def test_a_count_begins_with_one(value: float) -> None:
    assert check_count(value) == "Input should be greater than or equal to 1"
