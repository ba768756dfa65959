"""Whether a model is any good: better than a linear model, and than always the same answer."""

import numpy as np

from training import metrics
from training.data.examples import clusters_of, labels_of
from training.evaluate.intervals import macro_f1_difference, measure_difference
from training.evaluate.results import MajorityComparison, Usefulness
from training.fit.trained_model import TrainedModel
from training.metrics import Labels


def measure_usefulness(
    model: TrainedModel, predicted: Labels, baseline: Labels, baseline_name: str
) -> Usefulness:
    """Compare a model's predictions for the test rows with those of simpler ways to answer.

    Accuracy alone would pass a detector of rare fraud that never finds any, so macro-F1, which
    gives each label the same weight, is compared with that of the linear model, too.

    Args:
        model: the model, for its rows.
        predicted: what it, or the bundle that was made of it, predicts for the test rows.
        baseline: what the linear model predicts for them.
        baseline_name: the name of the linear model.
    """
    names = model.labels
    labels, clusters = labels_of(model.rows.test), clusters_of(model.rows.test)
    majority = int(np.bincount(labels_of(model.rows.train), minlength=len(names)).argmax())
    present, guessed = np.unique(labels), np.unique(predicted)
    right, baseline_right = predicted == labels, baseline == labels
    against_majority = measure_difference(right, labels == majority, clusters)
    return Usefulness(
        groups=len(np.unique(clusters)),
        baseline_name=baseline_name,
        against_baseline=measure_difference(right, baseline_right, clusters),
        macro_f1_difference=(
            metrics.macro_f1_of_present(predicted, labels)
            - metrics.macro_f1_of_present(baseline, labels)
        ),
        macro_f1_interval=macro_f1_difference(predicted, baseline, labels, len(names), clusters),
        against_majority=MajorityComparison(**dict(against_majority), label=names[majority]),
        always_predicts=names[guessed[0]] if len(guessed) == 1 < len(present) else None,
        never_predicts=tuple(names[each] for each in present if each not in guessed),
    )
