from pathlib import Path

import pytest

from training.evaluate.multi_label.results import Comparison, MultiLabelEvaluation
from training.evaluate.results import Interval
from training.fit.record import WEIGHTS, hash_weights
from training.fit.trained_model import StaleError


def worsen(comparison: Comparison, **changes: object) -> Comparison:
    return comparison.model_copy(update=changes)


def test_a_good_model_has_no_faults(several: MultiLabelEvaluation) -> None:
    assert several.usefulness.faults == []


def test_a_model_that_is_worse_than_the_baseline_is_no_good(several: MultiLabelEvaluation) -> None:
    worse = worsen(
        several.usefulness.against_baseline,
        difference=-0.1,
        difference_interval=Interval(-0.15, -0.05),
    )
    useful = several.usefulness.model_copy(update={"against_baseline": worse})
    assert useful.faults == ["the linear baseline has a micro-F1 that is 0.1000 higher"]
    # AND a few groups prove nothing
    assert useful.model_copy(update={"groups": 9}).faults == []


def test_a_model_that_gives_all_texts_the_same_labels_is_named(
    several: MultiLabelEvaluation,
) -> None:
    none = several.usefulness.model_copy(update={"always_predicts": ()})
    assert none.faults == ["it gives no test row any label"]
    same = several.usefulness.model_copy(update={"always_predicts": ("billing", "refund")})
    assert same.faults == ["it gives every test row the same labels: billing, refund"]


def test_always_the_same_labels_can_be_better(several: MultiLabelEvaluation) -> None:
    worse = several.usefulness.against_constant.model_copy(
        update={"difference": -0.2, "difference_interval": Interval(-0.3, -0.1)}
    )
    (fault,) = several.usefulness.model_copy(update={"against_constant": worse}).faults
    assert fault == "always answering billing, delivery has a micro-F1 that is 0.2000 higher"


def test_an_evaluation_is_read_as_it_was_written(
    several: MultiLabelEvaluation, tmp_path: Path
) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    written = several.model_copy(update={"weights_sha256": hash_weights(tmp_path)})
    written.write(tmp_path)
    assert MultiLabelEvaluation.read(tmp_path) == written
    assert written.temperatures == (1.1, 0.9, 1.0)
    assert written.thresholds == (0.45, 0.55, 0.5)


def test_an_evaluation_of_other_weights_is_stale(
    several: MultiLabelEvaluation, tmp_path: Path
) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    several.write(tmp_path)
    with pytest.raises(StaleError, match="textclf evaluate"):
        MultiLabelEvaluation.read(tmp_path)
