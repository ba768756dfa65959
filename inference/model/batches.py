"""Batches of texts of equal length, so that nothing needs padding.

Padding would take time, and let the other texts of a batch move the answers.
"""

from collections.abc import Iterator, Sequence

BATCH_TOKENS = 384  # in one run of the model; more is slower per text on one core


def group_by_length(lengths: Sequence[int], most_tokens: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """Yield row numbers in batches, shortest texts first.

    Args:
        lengths: the tokens of each text.
        most_tokens: of a batch, unless a single text has more.
    """
    by_length: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        by_length.setdefault(length, []).append(row)
    for length, rows in sorted(by_length.items()):
        size = max(1, most_tokens // length)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]
