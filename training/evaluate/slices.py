"""Parts of the test rows that may be harder than the rest, each measured on its own."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.examples import Example, clusters_of
from training.evaluate import metrics

CUT_SHORT = ("...", "…")  # how aggregators end a title that they have cut

Mask = NDArray[np.bool_]


def by_slice(
    rows: Sequence[Example], train: Sequence[Example], right: Mask, other: Mask
) -> list[dict[str, Any]]:
    """Two models on each slice of rows (``metrics.paired``), with the slice's ``name``."""
    clusters = clusters_of(rows)
    return [
        {"name": name, **metrics.paired(right[mask], other[mask], clusters[mask])}
        for name, mask in slices(rows, train)
    ]


def slices(rows: Sequence[Example], train: Sequence[Example]) -> list[tuple[str, Mask]]:
    """Named masks of rows: by origin, length, ending, publisher and time, where they have them.

    What does not divide the rows is left out.
    """
    words = np.array([len(row.text.split()) for row in rows])
    cut = np.array([row.text.rstrip().endswith(CUT_SHORT) for row in rows])
    known = {row.source for row in train}
    seen = np.array([row.source in known for row in rows])
    times = np.array([row.time for row in rows])
    new = np.array([row.new for row in rows])
    divisions = [
        [("of the data set itself", ~new), ("of the new rows joined to it", new)],
        list(_quantiles(words, 3, lambda low, high: f"{low} to {high} words")),
        [("whole", ~cut), ("cut short, ending in ...", cut)],
        [("publisher seen in training", seen), ("publisher not seen", ~seen)],
        list(_quantiles(times, 4, lambda low, high: f"{_day(low)} to {_day(high)}")),
    ]
    return [part for parts in divisions for part in parts if part[1].any() and not part[1].all()]


def _quantiles(
    values: NDArray[np.int64], parts: int, name: Callable[[int, int], str]
) -> Iterator[tuple[str, Mask]]:
    """Masks of about equally many values each, equal values together, in rising order."""
    edges = np.quantile(values, np.arange(1, parts) / parts)
    places = np.searchsorted(edges, values)
    for place in np.unique(places):
        mask = places == place
        yield name(int(values[mask].min()), int(values[mask].max())), mask


def _day(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d}"
