"""Whether a model is any good: better than a linear model, and than always the same labels."""

import numpy as np
from numpy.typing import NDArray

from training.data.examples import clusters_of, multi_hot
from training.evaluate.multi_label import summary
from training.evaluate.multi_label.results import ConstantComparison, Usefulness
from training.fit.trained_model import TrainedModel
from training.multi_label import Answers, micro_f1


def measure_usefulness(
    model: TrainedModel, answers: Answers, baseline: Answers, baseline_name: str
) -> Usefulness:
    """Compare a model's labels for the test rows with those of simpler ways to answer.

    Args:
        model: the model, for its rows.
        answers: the labels that it, or the bundle that was made of it, gives the test rows.
        baseline: those that the linear models give.
        baseline_name: the name of the linear models.
    """
    names = model.labels
    labels, clusters = multi_hot(model.rows.test, len(names)), clusters_of(model.rows.test)
    constant = choose_constant(multi_hot(model.rows.train, len(names)))
    always = np.broadcast_to(constant, labels.shape)
    compared = summary.compare(answers, always, labels, clusters)
    is_constant = bool((answers == answers[0]).all()) and not bool((labels == labels[0]).all())
    return Usefulness(
        groups=len(np.unique(clusters)),
        baseline_name=baseline_name,
        against_baseline=summary.compare(answers, baseline, labels, clusters),
        against_constant=ConstantComparison(**dict(compared), labels=_name(constant, names)),
        always_predicts=_name(answers[0], names) if is_constant else None,
        never_predicts=_name(np.any(labels, axis=0) & ~np.any(answers, axis=0), names),
    )


def choose_constant(labels: Answers) -> Answers:
    """Choose the labels that, given to every training row, have the best micro-F1.

    They are the most frequent ones; the choice is how many of them.
    """
    order = np.argsort(-labels.sum(axis=0), kind="stable")
    candidates = []
    for count in range(1, labels.shape[1] + 1):
        candidate = np.zeros(labels.shape[1], bool)
        candidate[order[:count]] = True
        candidates.append(candidate)
    scores = [micro_f1(np.broadcast_to(each, labels.shape), labels) for each in candidates]
    return candidates[int(np.argmax(scores))]


def _name(chosen: NDArray[np.bool_], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name, applies in zip(names, chosen, strict=True) if applies)
