"""A linear head that is fitted to the encoder as it is, before both learn together.

Fine-tuning from a random head distorts what the encoder knows while the head is still wrong, which
shows on texts of other sources (linear probing, then fine-tuning: Kumar et al. 2022,
https://arxiv.org/abs/2202.10054).
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer

from inference.model.windows import MEAN
from training.data.examples import (
    UNLABELLED,
    Example,
    clusters_of,
    labels_of,
    list_labels,
    multi_hot,
)
from training.fit import text_model
from training.fit.encoder import EncoderClassifier
from training.fit.settings import Settings
from training.fit.windows import encode_windows

ROWS = 10_000
ROWS_OF_GROUP = 2
MAX_ITERATIONS = 1000
CONSTANT = 4.0  # the logit of a label that all rows have, or none: 98 %


def fit_head(
    model: EncoderClassifier,
    tokenizer: Tokenizer,
    examples: Sequence[Example],
    settings: Settings,
    device: torch.device,
    precision: torch.dtype | None,
) -> int:
    """Set the head to a logistic regression's weights; returns how many rows it was fitted to.

    Labels without training rows get the least likely constant answer.
    """
    # If texts have several labels, the first one stands for all where a row of each is drawn.
    firsts = np.array([(list_labels(row) or [UNLABELLED])[0] for row in examples], np.int64)
    rows = [examples[row] for row in choose_rows(firsts, clusters_of(examples), settings.seed)]
    texts = [row.text for row in rows]
    features = compute_text_features(model, tokenizer, texts, settings, device, precision)
    set_head(model.classifier, features, rows)
    return len(rows)


def compute_text_features(
    model: EncoderClassifier,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    settings: Settings,
    device: torch.device,
    precision: torch.dtype | None,
) -> NDArray[np.float32]:
    """Compute what the head reads of texts, (texts, dim).

    Of a text in several windows, it is the mean: the head's answer to that is the mean of its
    answers to them.
    """
    windows = encode_windows(tokenizer, texts, settings)
    features = text_model.compute_features(model.to(device), windows.token_ids, device, precision)
    return windows.pool(features, MEAN)


def set_head(
    head: torch.nn.Linear,
    features: NDArray[np.float32],
    rows: Sequence[Example],
    strength: float = 1.0,
    class_weights: Literal["", "balanced"] = "",
) -> None:
    """Set a head to the weights of a logistic regression, or of one for each of several labels.

    Args:
        head: the layer that is changed.
        features: what it reads of each row, (rows, dim).
        rows: with their labels.
        strength: the inverse of the regularization, as scikit-learn's C.
        class_weights: "balanced" lets every label, or every answer, weigh the same.
    """
    regression = LogisticRegression(
        C=strength, class_weight=class_weights or None, max_iter=MAX_ITERATIONS
    )
    if rows[0].labels is not None:
        _fit_each_label(head, features, rows, regression)
        return
    labels = labels_of(rows)
    if len(np.unique(labels)) == 1:  # nothing to tell apart
        with torch.no_grad():
            head.weight.zero_()
            head.bias.fill_(-CONSTANT)
            head.bias[labels[0]] = CONSTANT
        return
    fitted = regression.fit(features, labels)
    coefficients, constants = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:  # one row of weights, for the second label against the first
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        constants = np.concatenate([-constants, constants]) / 2
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(float(constants.min()))
        head.weight[fitted.classes_] = torch.from_numpy(coefficients).to(head.weight)
        head.bias[fitted.classes_] = torch.from_numpy(constants).to(head.bias)


def _fit_each_label(
    head: torch.nn.Linear,
    features: NDArray[np.float32],
    rows: Sequence[Example],
    regression: LogisticRegression,
) -> None:
    """Set each row of the head to a regression of its own: whether the label applies or not."""
    labels = multi_hot(rows, head.out_features)
    with torch.no_grad():
        for number, applies in enumerate(labels.T):
            if applies.all() or not applies.any():  # a constant answer: "yes" or "no"
                head.weight[number] = 0
                head.bias[number] = CONSTANT if applies.all() else -CONSTANT
                continue
            fitted = regression.fit(features, applies)
            head.weight[number] = torch.from_numpy(fitted.coef_[0]).to(head.weight)
            head.bias[number] = float(fitted.intercept_[0])


def choose_rows(
    labels: NDArray[np.int64], clusters: NDArray[np.int64], seed: int
) -> NDArray[np.intp]:
    """Choose random rows, few of each group: first one of every group, then another.

    A row of every label is among them.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    earlier = np.zeros(len(labels), np.intp)  # rows of the same group that come before
    seen: dict[int, int] = {}
    for row in order:
        earlier[row] = seen.get(clusters[row], 0)
        seen[clusters[row]] = earlier[row] + 1
    of_each_label = order[np.unique(labels[order], return_index=True)[1]]
    ranked = order[np.argsort(earlier[order], kind="stable")]
    chosen = np.concatenate([of_each_label, ranked[earlier[ranked] < ROWS_OF_GROUP][:ROWS]])
    return np.unique(chosen)
