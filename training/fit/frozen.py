"""A logistic head on an encoder that stays as it is, for data sets of few rows.

With a few hundred rows, fine-tuning moves millions of weights on little evidence. A sentence
encoder already tells most topics apart by its mean states, so that a linear model of these is hard
to beat (linear probing, see Kumar et al. 2022, https://arxiv.org/abs/2202.10054).
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training.data.examples import Example, labels_of, multi_hot
from training.fit.encoder import EncoderClassifier
from training.fit.head import compute_text_features, set_head
from training.fit.settings import Settings
from training.fit.validation import score
from training.labels.folds import Folds

STRENGTHS = (1.0, 10.0, 100.0)  # scikit-learn's C
FOLDS = 3
CHOOSE_ON = 10_000  # rows that decide between the strengths


def fit_logistic_head(
    model: EncoderClassifier,
    tokenizer: Tokenizer,
    rows: Sequence[Example],
    settings: Settings,
    device: torch.device,
    precision: torch.dtype | None,
) -> float:
    """Fit the head of a model to all rows; returns its strength."""
    texts = [row.text for row in rows]
    features = compute_text_features(model, tokenizer, texts, settings, device, precision)
    return fit_features(model.classifier, features, rows, settings)


def fit_features(
    head: torch.nn.Linear,
    features: NDArray[np.float32],
    rows: Sequence[Example],
    settings: Settings,
) -> float:
    """Fit a head to what it reads of rows, (rows, dim); returns its strength.

    The rows choose it, unless the encoder has learnt from them: then they are too easy to tell
    apart to say anything about others.
    """
    strength = STRENGTHS[0]
    if settings.method != "contrastive":
        strength = choose_strength(features, rows, head.out_features, settings)
    set_head(head, features, rows, strength, settings.class_weights)
    return strength


def choose_strength(
    features: NDArray[np.float32], rows: Sequence[Example], labels: int, settings: Settings
) -> float:
    """Return the strength with the best cross-validated macro-F1; of equal ones, the least."""
    drawn = np.sort(np.random.default_rng(settings.seed).permutation(len(rows))[:CHOOSE_ON])
    features, rows = features[drawn], [rows[row] for row in drawn]
    folds = Folds.make(rows, find_strata(rows, labels), settings.seed, FOLDS)
    scores = [
        score(predict_folds(features, rows, labels, settings, folds, strength), rows)
        for strength in STRENGTHS
    ]
    return STRENGTHS[int(np.argmax(scores))]


def find_strata(rows: Sequence[Example], labels: int) -> NDArray[np.int64]:
    """Return a number for each row, equal for rows of the same label, or of the same labels."""
    if rows[0].labels is None:
        return labels_of(rows)
    found: NDArray[np.int64] = np.unique(multi_hot(rows, labels), axis=0, return_inverse=True)[1]
    return found.reshape(-1)


def predict_folds(
    features: NDArray[np.float32],
    rows: Sequence[Example],
    labels: int,
    settings: Settings,
    folds: Folds,
    strength: float,
) -> NDArray[np.float32]:
    """Return logits, (rows, labels), each row's from a head that has not seen it."""
    logits = np.zeros((len(rows), labels), np.float32)
    for number in np.unique(folds.numbers):
        train, held_out = folds.train_rows(number), np.flatnonzero(folds.numbers == number)
        if len(train):
            head = torch.nn.Linear(features.shape[1], labels)
            seen = [rows[row] for row in train]
            set_head(head, features[train], seen, strength, settings.class_weights)
            logits[held_out] = apply_head(head, features[held_out])
    return logits


def apply_head(head: torch.nn.Linear, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits of a head, (rows, labels)."""
    with torch.no_grad():
        logits: NDArray[np.float32] = head.cpu()(torch.from_numpy(features)).numpy()
    return logits
