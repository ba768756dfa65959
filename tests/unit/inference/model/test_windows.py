import math

import msgspec
import pytest

from inference.model.windows import MAX, MEAN, Windows


@pytest.mark.parametrize(
    ("sharpness", "pooling", "text"),
    [(MEAN, "mean", "mean"), (MAX, "max", "max"), (0.5, "weighted", "weighted (0.5)")],
)
def test_a_sharpness_has_a_name_that_json_can_hold(
    sharpness: float, pooling: str, text: str
) -> None:
    # GIVEN windows that are pooled in each of the three ways
    windows = Windows.make(32, 8, sharpness)
    # WHEN they are written and read
    read = msgspec.json.decode(msgspec.json.encode(windows), type=Windows)
    # THEN they pool the same way
    assert read == windows
    assert (read.pooling, read.sharpness, read.describe()) == (pooling, sharpness, text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"pooling": "weighted"},
        {"pooling": "mean", "weight": 1.0},
        {"pooling": "weighted", "weight": 0.0},
        {"pooling": "median"},
        {"most": 0},
        {"overlap": -1},
        {"extra": 1},
    ],
    ids=str,
)
def test_windows_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    right = {"most": 2, "overlap": 1, "pooling": "mean"}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(right | wrong, Windows)


def test_the_greatest_sharpness_is_infinite() -> None:
    assert math.isinf(MAX)
