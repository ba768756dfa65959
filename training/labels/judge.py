"""Judge the labels of rows by models that have seen neither the rows nor their groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.data.examples import Example, labels_of, multi_hot
from training.labels.confident import find_suspects
from training.labels.encoder import BundleEncoder
from training.labels.features import Features, compute_features, list_kinds
from training.labels.folds import Folds
from training.multi_label import Answers, choose_thresholds, decide, micro_f1

SEED = 42
COMPARE_ON = 3_000  # rows that decide by which features all rows are judged
SMALLEST = 1e-6  # probability, in the logarithm


class Suspect(NamedTuple):
    """A row whose label is probably wrong."""

    row: int
    suggested: tuple[int, ...]
    score: float  # by how much the suggestion is more probable than the label, from 0 to 1


@dataclass(frozen=True)
class Judgement:
    """What models say about the labels of rows."""

    suspects: list[Suspect]  # the surest first
    estimate: float  # how many labels are wrong
    loss: float  # mean negative log probability of the given labels
    # Share of the given labels that the models find most probable, too; where a text may have
    # several, the micro-F1 of theirs: labels that both leave out count as no agreement.
    agreement: float
    kappa: float  # of Cohen: 1 if they agree throughout, 0 if only as often as by chance
    not_judged: int  # rows whose label no model has seen, because no other group has it


def compare_kinds(
    examples: Sequence[Example],
    texts: Sequence[str],
    count: int,
    encoder: BundleEncoder | None,
    kinds: Sequence[str] = (),
) -> dict[str, Judgement]:
    """Judge rows, or a sample of many, by each kind of features; the best comes first.

    Args:
        examples: the rows.
        texts: their texts, as a model of the task reads them.
        count: how many labels there are.
        encoder: of a bundle; None to see words alone.
        kinds: which features to compare, by default all.
    """
    drawn = np.random.default_rng(SEED).permutation(len(examples))[:COMPARE_ON]
    rows, read = zip(*((examples[row], texts[row]) for row in sorted(drawn)), strict=True)
    judged = {
        kind: judge_labels(rows, compute_features(kind, read, encoder), count)
        for kind in kinds or list_kinds(read, encoder)
    }
    return dict(sorted(judged.items(), key=lambda item: item[1].loss))


def judge_labels(examples: Sequence[Example], features: Features, count: int) -> Judgement:
    """Judge rows with one label each, or with any number.

    Args:
        examples: the rows.
        features: of their texts.
        count: how many labels there are.
    """
    if any(example.labels is not None for example in examples):
        return _judge_several(examples, features, count)
    labels = labels_of(examples)
    predicted = Folds.make(examples, labels, SEED).predict(features, labels, count)
    judged = np.flatnonzero(predicted.is_judged)
    probabilities, labels = predicted.probabilities[judged], labels[judged]
    found = find_suspects(probabilities, labels)
    suspects = [
        Suspect(int(judged[row]), (int(label),), float(score))
        for row, label, score in zip(found.rows, found.suggested, found.scores, strict=True)
    ]
    given, best = np.eye(count, dtype=bool)[labels], probabilities.argmax(axis=1)
    return Judgement(
        suspects,
        found.estimate,
        _measure_loss(probabilities[np.arange(len(labels)), labels]),
        float((best == labels).mean()) if len(labels) else 0.0,
        measure_kappa(np.eye(count, dtype=bool)[best], given),
        len(examples) - len(judged),
    )


def _judge_several(examples: Sequence[Example], features: Features, count: int) -> Judgement:
    """Judge for each label whether the rows rightly have it; a suspect may differ in several."""
    given = multi_hot(examples, count)
    suggested, scores = given.copy(), np.zeros(given.shape)
    applies = given.astype(np.float64)  # probabilities; of rows that no model judges, as given
    estimate = 0.0
    combinations = np.unique(given, axis=0, return_inverse=True)[1].reshape(-1)
    folds = Folds.make(examples, combinations, SEED)
    for label in range(count):
        has_label = given[:, label].astype(np.int64)
        predicted = folds.predict(features, has_label, 2)
        judged = np.flatnonzero(predicted.is_judged)
        found = find_suspects(predicted.probabilities[judged], has_label[judged])
        rows = judged[found.rows]
        suggested[rows, label] = ~given[rows, label]
        scores[rows, label] = found.scores
        estimate += found.estimate
        applies[judged, label] = predicted.probabilities[judged, 1]
    answers = decide(applies, choose_thresholds(applies, given))
    return Judgement(
        _list_suspects(given, suggested, scores),
        estimate,
        _measure_loss(np.where(given, applies, 1 - applies)),
        micro_f1(answers, given),
        measure_kappa(answers, given),
        0,
    )


def measure_kappa(answers: Answers, given: Answers) -> float:
    """Return how much more often answers are as given than by chance, shape (rows, labels).

    It is the kappa of Cohen (1960, https://doi.org/10.1177/001316446002000104), for all decisions
    together. If nine rows in ten have one label, always answering it is right as often, and 0.
    """
    if not given.size:
        return 0.0
    frequent, answered = given.mean(axis=0), answers.mean(axis=0)
    by_chance = float((frequent * answered + (1 - frequent) * (1 - answered)).mean())
    agreed = float((answers == given).mean())
    return (agreed - by_chance) / (1 - by_chance) if by_chance < 1 else 1.0


def _list_suspects(
    given: NDArray[np.bool_], suggested: NDArray[np.bool_], scores: NDArray[np.float64]
) -> list[Suspect]:
    rows = np.flatnonzero((given != suggested).any(axis=1))
    suspects = [
        Suspect(int(row), tuple(map(int, np.flatnonzero(suggested[row]))), float(scores[row].max()))
        for row in rows
    ]
    return sorted(suspects, key=lambda suspect: -suspect.score)


def _measure_loss(probabilities: NDArray[np.float64]) -> float:
    if not probabilities.size:
        return float("inf")
    return float(-np.log(np.maximum(probabilities, SMALLEST)).mean())
