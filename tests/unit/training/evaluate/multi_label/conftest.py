"""An evaluation of a model that may give a text several labels."""

import numpy as np
import pytest

from training.evaluate.multi_label import summary
from training.evaluate.multi_label.errors import count_errors
from training.evaluate.multi_label.results import (
    BaselineMetrics,
    ConstantComparison,
    LabelChoice,
    ModelSummary,
    MultiLabelEvaluation,
    Usefulness,
)
from training.evaluate.results import RepeatCounts, Repeats

NAMES = ("billing", "delivery", "refund")


@pytest.fixture
def several() -> MultiLabelEvaluation:
    """A model that is right about nine labels in ten, and a baseline about three in four."""
    random = np.random.default_rng(0)
    labels = random.random((300, 3)) < [0.5, 0.4, 0.2]
    clusters = np.arange(300)
    answers = labels ^ (random.random(labels.shape) < 0.1)
    guesses = labels ^ (random.random(labels.shape) < 0.25)
    probabilities = np.where(answers, 0.8, 0.2)
    always = np.broadcast_to([True, True, False], labels.shape)
    measured = summary.summarise(probabilities, answers, labels, NAMES, clusters)
    against_baseline = summary.compare(answers, guesses, labels, clusters)
    counts = RepeatCounts(rows=9, texts=8, conflicting_texts=1, conflicting_rows=2, outvoted_rows=1)
    return MultiLabelEvaluation(
        weights_sha256="0" * 64,
        choices={
            "billing": LabelChoice(temperature=1.1, threshold=0.45, validation_rows=60),
            "delivery": LabelChoice(temperature=0.9, threshold=0.55, validation_rows=50),
            "refund": LabelChoice(temperature=1.0, threshold=0.5, validation_rows=5),
        },
        uncalibrated=measured,
        fp32=ModelSummary(**dict(measured), against_baseline=against_baseline),
        baseline=BaselineMetrics(
            **dict(summary.measure(guesses, guesses, labels, clusters)), name="a linear model"
        ),
        previous=None,
        groups=300,
        errors=count_errors(answers, labels),
        repeats=Repeats(file=counts, test=counts),
        also={},
        usefulness=Usefulness(
            groups=300,
            baseline_name="a linear model",
            against_baseline=against_baseline,
            against_constant=ConstantComparison(
                **dict(summary.compare(answers, always, labels, clusters)),
                labels=("billing", "delivery"),
            ),
            always_predicts=None,
            never_predicts=(),
        ),
        calibration_rows=150,
    )
