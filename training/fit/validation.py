"""The figure by which training keeps the best weights: macro-F1 on validation rows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training import metrics, multi_label
from training.data.examples import Example, labels_of, multi_hot
from training.fit.windows import TextWindows, choose_sharpness


def score_windows(
    windows: TextWindows, logits: NDArray[np.float32], examples: Sequence[Example]
) -> tuple[float, float]:
    """Compute the macro-F1 of texts, and the sharpness to pool their windows with, as chosen here.

    Args:
        windows: of the texts.
        logits: of all windows, shape (windows, labels).
        examples: the texts, with their labels.
    """
    sharpness = choose_sharpness(windows, logits, examples)
    return score(windows.pool(logits, sharpness), examples), sharpness


def score(logits: NDArray[np.floating], examples: Sequence[Example]) -> float:
    """Compute the macro-F1 of logits, shape (rows, labels), whether texts have one label or more.

    If texts may have several labels, it is computed at thresholds chosen on these rows.
    """
    count = logits.shape[1]
    if examples[0].labels is not None:
        return multi_label.score(logits, multi_hot(examples, count))
    return metrics.macro_f1(logits.argmax(axis=1), labels_of(examples), count)
