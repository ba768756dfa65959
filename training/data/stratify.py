"""Hold out whole clusters so that every part has its share of every label.

Iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011,
https://doi.org/10.1007/978-3-642-23808-6_10): the label with the fewest rows left is dealt out
first, each time to the part that lacks most of it. Clusters take the place of rows, so that rows of
one group, or of one text, are on the same side, and nothing leaks.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def stratify(
    clusters: Sequence[str],
    labels: NDArray[np.bool_],
    shares: Mapping[str, float],
    order: Mapping[str, float],
) -> dict[str, str]:
    """Return the part of each cluster.

    Args:
        clusters: the cluster of each row.
        labels: which labels each row has, shape (rows, labels).
        shares: how much of all rows each part should have; they sum to 1.
        order: a random number for each cluster, which settles what the labels leave open.
    """
    numbers: dict[str, int] = {}
    places = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])
    names = list(numbers)
    # Texts without a label have to be in every part, too, as if that was one more label.
    labels = np.column_stack([labels, ~labels.any(axis=1)])
    counts = np.zeros((len(names), labels.shape[1]))
    np.add.at(counts, places, labels)
    rows = np.bincount(places, minlength=len(names)).astype(float)
    parts = list(shares)
    share = np.array([shares[part] for part in parts])
    wanted = np.outer(share, counts.sum(axis=0))  # (parts, labels)
    wanted_rows = share * rows.sum()
    ranked = sorted(range(len(names)), key=lambda number: order[names[number]])
    part_of: dict[int, int] = {}
    for label, of_label in _rarest_first(counts, ranked):
        for cluster in of_label:
            if cluster in part_of:
                continue
            lack = wanted[:, label]
            best = np.flatnonzero(lack >= lack.max() - 1e-9)
            part = int(best[wanted_rows[best].argmax()])
            part_of[cluster] = part
            wanted[part] -= counts[cluster]
            wanted_rows[part] -= rows[cluster]
    return {names[cluster]: parts[part] for cluster, part in part_of.items()}


def _rarest_first(
    counts: NDArray[np.float64], ranked: Sequence[int]
) -> list[tuple[int, list[int]]]:
    """Return the labels, rarest first, each with its clusters: large ones first, then at random.

    A large cluster fits only where much is still lacking.
    """
    of_label: defaultdict[int, list[int]] = defaultdict(list)
    for cluster in ranked:
        for label in np.flatnonzero(counts[cluster]).tolist():
            of_label[label].append(cluster)
    totals = counts.sum(axis=0)
    return [
        (label, [members[place] for place in np.argsort(-counts[members, label], kind="stable")])
        for label, members in sorted(of_label.items(), key=lambda item: (totals[item[0]], item[0]))
    ]
