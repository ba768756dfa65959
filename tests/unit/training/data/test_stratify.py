import numpy as np
from numpy.typing import NDArray

from training.data.stratify import stratify

SHARES = {"train": 0.85, "test": 0.10, "validation": 0.05}


def draw(rows: int, labels: int, seed: int = 0) -> NDArray[np.bool_]:
    """Draw labels, the later ones ever rarer."""
    random = np.random.default_rng(seed)
    return random.random((rows, labels)) < 0.4 / 2.0 ** np.arange(labels)


def split(labels: NDArray[np.bool_], clusters: list[str]) -> dict[str, NDArray[np.bool_]]:
    """Return the labels of the rows of each part."""
    random = np.random.default_rng(1)
    order = {cluster: random.random() for cluster in clusters}
    part_of = stratify(clusters, labels, SHARES, order)
    parts = np.array([part_of[cluster] for cluster in clusters])
    return {part: labels[parts == part] for part in SHARES}


def test_every_part_has_its_share_of_every_label() -> None:
    # GIVEN rows whose rarest label only one in 40 has, some of them with no label
    labels = draw(1000, 5)
    # WHEN they are dealt out
    parts = split(labels, [f"{row}" for row in range(1000)])
    # THEN each part has its share of each label, to the row
    for part, share in SHARES.items():
        expected = share * labels.sum(axis=0)
        assert np.abs(parts[part].sum(axis=0) - expected).max() <= 2
        without = (~labels.any(axis=1)).sum() * share
        assert abs((~parts[part].any(axis=1)).sum() - without) <= 2


def test_the_rows_of_a_cluster_stay_together_whatever_their_labels() -> None:
    labels = draw(300, 3)
    clusters = [f"{row // 3}" for row in range(300)]
    part_of = stratify(clusters, labels, SHARES, {str(number): number for number in range(100)})
    assert set(part_of) == set(clusters)  # one part for each, so nothing leaks


def test_a_label_of_two_rows_is_learnt_before_it_is_tested() -> None:
    labels = np.zeros((100, 2), bool)
    labels[:, 0] = True
    labels[:2, 1] = True
    parts = split(labels, [f"{row}" for row in range(100)])
    assert parts["train"][:, 1].sum() == 2


def test_the_same_order_gives_the_same_parts() -> None:
    labels, clusters = draw(200, 4), [f"{row}" for row in range(200)]
    order = {cluster: float(hash(cluster) % 97) for cluster in clusters}
    assert stratify(clusters, labels, SHARES, order) == stratify(clusters, labels, SHARES, order)
