"""How much each label counts in the loss, so that a rare one is not drowned out by the others."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from training.data.examples import Example, multi_hot
from training.fit.settings import Settings


def weigh_outcomes(settings: Settings, examples: Sequence[Example], count: int) -> Tensor | None:
    """Return how much each outcome of training rows counts, as in the targets; None: all the same.

    Balanced weights let the rows of every label weigh the same in total, and keep the mean weight
    of a row at 1. Where a text may have several labels, the rows that have one weigh as much as
    those that have not. Labels that no row has, or all, keep the weight 1.

    Args:
        settings: whether to balance, and whether a text may have several labels.
        examples: the training rows that have labels.
        count: how many labels there are.
    """
    if settings.class_weights != "balanced":
        return None
    rows = multi_hot(examples, count).sum(axis=0)
    present = rows > 0
    weights = np.ones(count)
    if not settings.is_multi_label:
        weights[present] = len(examples) / (present.sum() * rows[present])
        return torch.tensor(weights, dtype=torch.float32)
    others = len(examples) - rows
    both = present & (others > 0)
    applies, does_not = weights.copy(), weights.copy()
    applies[both] = len(examples) / (2 * rows[both])
    does_not[both] = len(examples) / (2 * others[both])
    return torch.tensor(np.concatenate([applies, does_not]), dtype=torch.float32)
