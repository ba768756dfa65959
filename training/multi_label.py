"""How good predictions are where a text may have several labels, or none; and how to choose them.

Each label has a probability of its own, so they need not sum to 1. Probabilities, and the answers
that are made of them by a threshold for each label, have shape (texts, labels).
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import minimize_scalar

from training.metrics import BINS, LEAST_PROBABILITY, Probabilities, weigh_prior

# A label with fewer validation rows shares its threshold with the other labels that have few.
LEAST_ROWS_OF_LABEL = 10
THRESHOLD = 0.5  # where the rows are too few to choose one
RANGE = (0.02, 0.98)  # of thresholds

Answers = NDArray[np.bool_]
LabelledLogits = tuple[NDArray[np.floating], Answers]  # both of shape (rows, labels)


def sigmoid(
    logits: NDArray[np.floating], temperatures: Sequence[float] | float = 1.0
) -> Probabilities:
    """Turn logits, each label's divided by its temperature, into probabilities."""
    scaled = np.asarray(logits, np.float64) / np.asarray(temperatures, np.float64)
    probabilities: Probabilities = special.expit(scaled)
    return probabilities


def log_loss(probabilities: Probabilities, labels: Answers) -> float:
    """Compute the mean negative log probability (nats) of the right answer for a label."""
    right = np.where(labels, probabilities, 1 - probabilities)
    return float(-np.log(np.maximum(right, LEAST_PROBABILITY)).mean())


def fit_temperatures(
    logits: NDArray[np.floating], labels: Answers, further: Sequence[LabelledLogits] = ()
) -> tuple[float, ...]:
    """Find a temperature for each label: the one with the least log loss on these rows.

    With further rows, it has the least mean of the log losses of all sources, as in
    `metrics.fit_temperature`. A further source says nothing about labels that none of its rows has:
    perhaps nobody looked for them there.

    Each is drawn towards that of all labels together, and that one towards 1, as if by
    ``PRIOR_ROWS`` more rows: few rows that are all right would drive it to 0.

    Args:
        logits: of the first source, shape (rows, labels).
        labels: which labels each of its rows has.
        further: logits and labels of the other sources.
    """
    every = set(range(labels.shape[1]))
    sources = [
        (logits, labels, every),
        *((more, theirs, set(_find_present(theirs))) for more, theirs in further if theirs.any()),
    ]
    shared = _fit_temperature([_select(*source) for source in sources], 1.0)
    return tuple(
        _fit_temperature(
            [_select(some, of, {label}) for some, of, present in sources if label in present],
            shared,
        )
        for label in sorted(every)
    )


def _find_present(labels: Answers) -> list[int]:
    """Return the labels that some row has."""
    return [int(label) for label in np.flatnonzero(labels.any(axis=0))]


def _select(logits: NDArray[np.floating], labels: Answers, kept: Collection[int]) -> LabelledLogits:
    """Keep the columns of some labels."""
    columns = sorted(kept)
    return logits[:, columns], labels[:, columns]


def _fit_temperature(sources: Sequence[LabelledLogits], expected: float) -> float:
    """Find the temperature with the least mean of the log losses of sources."""
    prior = weigh_prior([len(labels) for _, labels in sources])

    def loss(power: float) -> float:
        temperature = float(np.exp(power))
        losses = [log_loss(sigmoid(logits, temperature), labels) for logits, labels in sources]
        return float(np.mean(losses)) + prior * (power - float(np.log(expected))) ** 2 / 2

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def choose_thresholds(scores: Probabilities, labels: Answers) -> tuple[float, ...]:
    """Choose the probability from which a text has a label: the one with the best F1 on these rows.

    Labels that few of the rows have share one threshold, at which F1 over all their decisions is
    best; if even together they have too few rows, it is ``THRESHOLD``.

    Args:
        scores: probabilities, shape (rows, labels).
        labels: which labels each row has.
    """
    rows = labels.sum(axis=0)
    few = rows < LEAST_ROWS_OF_LABEL
    shared = THRESHOLD
    if rows[few].sum() >= LEAST_ROWS_OF_LABEL:
        shared = _choose(scores[:, few].ravel(), labels[:, few].ravel())
    return tuple(
        shared if few[label] else _choose(scores[:, label], labels[:, label])
        for label in range(labels.shape[1])
    )


def _choose(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Return the threshold with the best F1; of equally good ones, the one closest to 0.5."""
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order], np.cumsum(labels[order])
    # The best answer to the first texts of this order is "yes", and to all later ones "no".
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + labels.sum())
    following = np.append(ordered[1:], 0.0)
    is_boundary = ordered > following  # texts of one score are on the same side
    best = np.flatnonzero(is_boundary & (f1 >= f1[is_boundary].max(initial=0.0) - 1e-12))
    if not len(best):
        return THRESHOLD
    candidates = np.clip((ordered[best] + following[best]) / 2, *RANGE)
    return float(candidates[np.abs(candidates - THRESHOLD).argmin()])


def decide(probabilities: Probabilities, thresholds: Sequence[float]) -> Answers:
    """Return which labels each text gets."""
    answers: Answers = probabilities >= np.asarray(thresholds)
    return answers


def micro_f1(answers: Answers, labels: Answers) -> float:
    """Compute the F1 score of all decisions together: the accuracy, with one label per text."""
    hits, total = (answers & labels).sum(), answers.sum() + labels.sum()
    return float(2 * hits / total) if total else 1.0  # no text has a label, and none was given


def macro_f1(answers: Answers, labels: Answers) -> float:
    """Compute the mean of the F1 scores of the labels; one that never occurs has 0.

    It is not scikit-learn's, which takes a single column for two classes.
    """
    hits, total = (answers & labels).sum(axis=0), answers.sum(axis=0) + labels.sum(axis=0)
    return float((2 * hits / np.maximum(total, 1)).mean()) if len(hits) else 0.0


def ranking_precision(probabilities: Probabilities, labels: Answers) -> NDArray[np.float64]:
    """Return the label ranking average precision of each text, shape (texts,).

    Of the labels that are ranked as high as a true one or higher, it is the share of true ones,
    averaged over the true labels (Schapire & Singer 2000, https://doi.org/10.1023/A:1007649029923).
    A text without labels, or with all of them, has 1, as in scikit-learn.
    """
    total = np.zeros(len(labels))
    for label in range(labels.shape[1]):
        above = probabilities >= probabilities[:, [label]]
        precision = (above & labels).sum(axis=1) / above.sum(axis=1)
        total += np.where(labels[:, label], precision, 0.0)
    count = labels.sum(axis=1)
    precisions: NDArray[np.float64] = np.where(count > 0, total / np.maximum(count, 1), 1.0)
    return precisions


def find_bins(probabilities: Probabilities) -> NDArray[np.int64]:
    """Return the number of the bin of each probability, of the same shape."""
    bins: NDArray[np.int64] = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    return bins


def calibration_error(probabilities: Probabilities, labels: Answers) -> float:
    """Compute the expected calibration error of all decisions: at 0.9, nine in ten should apply."""
    bins = find_bins(probabilities).ravel()
    gaps = np.bincount(bins, (labels - probabilities).ravel(), minlength=BINS)
    return float(np.abs(gaps).sum() / probabilities.size)


def score(logits: NDArray[np.floating], labels: Answers) -> float:
    """Compute the macro-F1 of logits at the thresholds that are chosen on these very rows.

    That is how good a model is at telling labels apart, wherever its probabilities are: early in a
    run all of them are below 0.5. With very few rows the threshold is 0.5 even so, see
    `choose_thresholds`. Labels that no row has are left out.
    """
    present = labels.any(axis=0)
    if not present.any():
        return 0.0
    probabilities, labels = sigmoid(logits)[:, present], labels[:, present]
    return macro_f1(decide(probabilities, choose_thresholds(probabilities, labels)), labels)
