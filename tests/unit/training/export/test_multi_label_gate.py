from pathlib import Path

import numpy as np
import pytest

from training.evaluate.multi_label import summary
from training.evaluate.multi_label.results import ConstantComparison, Usefulness
from training.evaluate.results import Interval
from training.export.gate import GateError, require_pass
from training.export.multi_label_gate import MultiLabelQuantization


def quantize(**changes: object) -> MultiLabelQuantization:
    values: dict[str, object] = {
        "accuracy_drop": 0.1,
        "agreement": 99.0,
        "max_change": 0.02,
        "bundle_bytes": 1,
        "weights_bytes": 4,
        "texts": 16,
    }
    return MultiLabelQuantization.model_validate(values | changes)


def test_the_limits_are_those_of_accuracy() -> None:
    assert quantize().passes
    assert not quantize(accuracy_drop=0.6).passes
    assert not quantize(agreement=98.0).passes


def test_few_rows_are_not_held_against_a_bundle() -> None:
    unsure = quantize(accuracy_drop=3.0, accuracy_drop_interval=Interval(-1.0, 7.0))
    assert unsure.passes
    assert unsure.describe().endswith("The 16 test rows are too few to hold that against it.")


def test_the_description_names_what_is_measured() -> None:
    assert "int8 loses 0.10 points of micro-F1" in quantize().describe()
    assert quantize().to_json()["measure"] == "micro_f1"
    assert "int8 gains 5.89 points of micro-F1" in quantize(accuracy_drop=-5.89).describe()


def test_a_bundle_that_is_no_good_is_refused_with_what_it_never_predicts() -> None:
    # GIVEN a bundle that gives all texts one label, and a baseline that is always right
    labels = np.eye(2, dtype=bool)[np.arange(100) % 2]
    answers = np.broadcast_to([True, False], labels.shape)
    compared = [
        summary.compare(answers, each, labels, np.arange(100)) for each in (labels, ~labels)
    ]
    useful = Usefulness(
        groups=100,
        baseline_name="a linear model",
        against_baseline=compared[0],
        against_constant=ConstantComparison(**dict(compared[1]), labels=("refund",)),
        always_predicts=("billing",),
        never_predicts=("refund",),
    )
    # WHEN it comes to the gate THEN the refusal names the other label
    with pytest.raises(GateError, match=r"It never predicts refund\. .*, or insist with"):
        require_pass(quantize(), Path("gate.md"), useful)


def test_figures_of_another_measure_are_refused() -> None:
    with pytest.raises(ValueError, match="measure"):
        quantize(measure="accuracy")
