"""Choose texts whose labels would change a model most, and that differ from each other.

BADGE (Ash et al. 2020, https://arxiv.org/abs/1906.03671): the gradient of the last layer for the
most probable label is the product of what the model is unsure of (its probabilities less its
answer) and what it sees (the features of the text). It is long where the model is unsure, and
points elsewhere for texts of another kind. The seeding of k-means++ draws long gradients that are
far from each other. Without a model, it draws texts that are far from each other.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

Matrix = Any  # rows by features, a sparse matrix or an array


def find_residuals(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities less 1 for the most probable label, shape (texts, labels)."""
    residuals = probabilities.copy()
    residuals[np.arange(len(residuals)), residuals.argmax(axis=1)] -= 1
    return residuals


def find_residuals_of_labels(
    probabilities: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probabilities less 1 for each label that applies, where several may."""
    residuals: NDArray[np.float64] = probabilities - (probabilities >= thresholds)
    return residuals


def draw_diverse(
    residuals: NDArray[np.float64], features: Matrix, count: int, seed: int
) -> list[int]:
    """Draw rows whose gradients are long and far from each other.

    Args:
        residuals: what a model is unsure of, shape (rows, labels); ones without a model.
        features: of each row, of length 1.
        count: how many rows to draw, at most all.
        seed: of the draw.

    Returns:
        Row numbers in the order in which they were drawn: the first is the most uncertain row.
    """
    random = np.random.default_rng(seed)
    lengths = (residuals**2).sum(axis=1)
    distances = np.full(len(lengths), np.inf)
    left = np.ones(len(lengths), bool)
    drawn: list[int] = []
    for _ in tqdm(range(count), "choose", unit="text", leave=False, delay=1):
        row = _draw(random, distances if drawn else lengths, left, is_first=not drawn)
        drawn.append(row)
        left[row] = False
        cosines = _multiply(features, features[[row]])
        products = (residuals @ residuals[row]) * cosines
        distances = np.minimum(distances, np.maximum(lengths + lengths[row] - 2 * products, 0))
    return drawn


def _draw(
    random: np.random.Generator,
    weights: NDArray[np.float64],
    left: NDArray[np.bool_],
    *,
    is_first: bool,
) -> int:
    weights = np.where(left, weights, 0)
    if is_first:
        return int(weights.argmax())
    total = weights.sum()
    if total <= 0:  # all that is left is like something that was drawn
        weights, total = left.astype(float), left.sum()
    return int(random.choice(len(weights), p=weights / total))


def _multiply(features: Matrix, row: Matrix) -> NDArray[np.float64]:
    products = features @ row.T
    dense = products.toarray() if hasattr(products, "toarray") else products
    return np.asarray(dense, np.float64).reshape(-1)
