"""Which settings a search varies, and within which limits."""

from typing import NamedTuple


class Range(NamedTuple):
    """The limits of a setting; ``log`` searches its orders of magnitude evenly."""

    low: float
    high: float
    log: bool = False


RANGES = {
    "learning_rate": Range(3e-5, 6e-4, log=True),
    "weight_decay": Range(1e-3, 1e-1, log=True),
    "masking": Range(0.0, 0.3),
    "label_smoothing": Range(0.0, 0.2),
    "group_loss": Range(0.0, 1.0),
}
