"""Turns: who begins."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def rotate(candidates: Sequence[T], number: int) -> list[T]:
    """Let another candidate begin in each round."""
    number %= len(candidates)
    return [*candidates[number:], *candidates[:number]]
