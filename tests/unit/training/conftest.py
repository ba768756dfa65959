"""An evaluation of a model that 0.1.0 shipped, for tests of what is made of one."""

import pytest

from inference.model.bundle import Manifest, parse_manifest
from tests.conftest import EARLIER_MANIFEST
from training.evaluate.results import (
    BaselineMetrics,
    ErrorCounts,
    Evaluation,
    Interval,
    MajorityComparison,
    ModelSummary,
    PairedComparison,
    RepeatCounts,
    Repeats,
    Summary,
    Usefulness,
)


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """The manifest of the model that 0.1.0 shipped."""
    return parse_manifest(EARLIER_MANIFEST.read_bytes())


@pytest.fixture
def useful(manifest: Manifest) -> Usefulness:
    """What that model is next to simpler ways to answer; some figures are invented."""
    against_baseline = PairedComparison.model_validate(manifest.metrics["fp32"]["against_baseline"])
    majority = dict(against_baseline) | {"other_accuracy": 0.3615, "label": "Entertainment"}
    return Usefulness(
        groups=1164,
        baseline_name="TF-IDF(1,2) + LinearSVC",
        against_baseline=against_baseline,
        macro_f1_difference=0.0167,
        macro_f1_interval=Interval(0.008, 0.026),
        against_majority=MajorityComparison.model_validate(majority),
        always_predicts=None,
        never_predicts=(),
    )


@pytest.fixture
def evaluation(manifest: Manifest, useful: Usefulness) -> Evaluation:
    """That model's evaluation, without slices; other figures are invented."""
    fp32 = ModelSummary.model_validate(manifest.metrics["fp32"])
    counts = RepeatCounts(rows=9, texts=8, conflicting_texts=1, conflicting_rows=2, outvoted_rows=1)
    return Evaluation(
        weights_sha256="0" * 64,
        temperature=manifest.temperature,
        uncalibrated=Summary.model_validate(fp32.model_dump(exclude={"against_baseline"})),
        fp32=fp32,
        baseline=BaselineMetrics.model_validate(manifest.metrics["baseline"]),
        previous=None,
        groups=1164,
        slices=[],
        errors=ErrorCounts(texts=3515, confidence=0.9, confident=390),
        repeats=Repeats(file=counts, test=counts),
        also={},
        usefulness=useful,
        calibration_rows=21_799,
    )
