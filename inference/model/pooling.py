"""Pool the logits of a text's windows, the same way in training, evaluation and serving."""

import math

import numpy as np
from numpy.typing import NDArray


def pool(
    values: NDArray[np.floating], starts: NDArray[np.intp], sharpness: float
) -> NDArray[np.float64]:
    """Pool the logits of windows into those of their texts, each label on its own.

    It is their mean, weighted by the exponential of the logit times the sharpness: 0 gives all
    windows the same weight, and infinity all of it to the largest logit (auto-pooling, McFee,
    Salamon & Bello 2018, https://arxiv.org/abs/1804.10070). The logits of a text of one window stay
    as they are.

    Args:
        values: the logits of all windows, text by text, shape (windows, labels).
        starts: the first window of each text, shape (texts,).
        sharpness: of the weights.

    Returns:
        The logits of the texts, shape (texts, labels).
    """
    logits: NDArray[np.float64] = values.astype(np.float64)
    if not len(starts):
        return logits
    greatest: NDArray[np.float64] = np.maximum.reduceat(logits, starts)
    if math.isinf(sharpness):
        return greatest
    counts = np.diff(np.append(starts, len(logits)))
    weights = np.exp(sharpness * (logits - np.repeat(greatest, counts, axis=0)))
    pooled: NDArray[np.float64] = np.add.reduceat(weights * logits, starts)
    pooled /= np.add.reduceat(weights, starts)
    return pooled
