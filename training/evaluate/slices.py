"""Parts of the test rows that may be harder than the rest, each measured on its own."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from training.data.examples import Example, clusters_of
from training.evaluate.intervals import Mask, measure_difference
from training.evaluate.results import Slice

CUT_SHORT = ("...", "…")  # how aggregators end a title that they have cut


def measure_slices(
    rows: Sequence[Example], train: Sequence[Example], right: Mask, other_right: Mask
) -> list[Slice]:
    """Compare two models on each slice of rows, by which rows each model gets right."""
    clusters = clusters_of(rows)
    return [
        Slice(
            name=name,
            **dict(measure_difference(right[mask], other_right[mask], clusters[mask])),
        )
        for name, mask in find_slices(rows, train)
    ]


def find_slices(rows: Sequence[Example], train: Sequence[Example]) -> list[tuple[str, Mask]]:
    """Return named masks of rows: by origin, length, ending, publisher and time.

    Slices that hold all rows or none are left out.
    """
    words = np.array([len(row.text.split()) for row in rows])
    cut = np.array([row.text.rstrip().endswith(CUT_SHORT) for row in rows])
    publishers = {row.source for row in train}
    seen = np.array([row.source in publishers for row in rows])
    times = np.array([row.time for row in rows])
    new = np.array([row.new for row in rows])
    slices = [
        ("of the data set itself", ~new),
        ("of the new rows joined to it", new),
        *_quantiles(
            words, 3, lambda low, high: f"{low} words" if low == high else f"{low} to {high} words"
        ),
        ("whole", ~cut),
        ("cut short, ending in ...", cut),
        ("publisher seen in training", seen),
        ("publisher not seen", ~seen),
        *_quantiles(times, 4, lambda low, high: f"{_day(low)} to {_day(high)}"),
    ]
    return [(name, mask) for name, mask in slices if mask.any() and not mask.all()]


def _quantiles(
    values: NDArray[np.int64], parts: int, name: Callable[[int, int], str]
) -> Iterator[tuple[str, Mask]]:
    """Yield masks of about equally many values, in rising order; equal values stay together."""
    edges = np.quantile(values, np.arange(1, parts) / parts)
    places = np.searchsorted(edges, values)
    for place in np.unique(places):
        mask = places == place
        yield name(int(values[mask].min()), int(values[mask].max())), mask


def _day(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d}"
