import importlib
from types import ModuleType

import numpy as np
import pytest
from msgspec.structs import replace

from inference.drift.measure import MIN_TEXTS, Measurement
from inference.drift.stability import Feature
from tests.account import FUNCTION, stubbed
from tests.cloudwatch import emitted

VERSION = "0123456789abcdef"
LABEL = Feature("label", ("News", "Sport"), np.full(2, 5e5), np.array([9e5, 1e5]), 1.0)
TOKENS = Feature("tokens", ("0 to under 9", "from 9"), np.full(2, 5e5), np.array([5e5, 6e5]), 1.0)


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, which reads its settings when it is imported."""
    monkeypatch.setenv("MODEL_URI", f"s3://models/news/{VERSION}")
    monkeypatch.setenv("PREDICTION_TABLE", "predictions")
    module = importlib.import_module("inference.drift.function")
    monkeypatch.setattr(module.metrics, "namespace", "Tests")
    return module


def test_drift_is_logged_and_emitted_for_each_feature(
    function: ModuleType, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a window of which one of two features has drifted
    caplog.set_level("INFO")
    assert (LABEL.drifted, TOKENS.drifted) == (True, False)
    # WHEN it is recorded
    function.record_drift(Measurement(VERSION, 1_000_000, 900, (LABEL, TOKENS)))
    # THEN the log has the rounded values, and the metrics have all digits
    (record,) = caplog.records
    assert record.message == "drift measured"
    assert record.__dict__["model_version"] == VERSION
    assert record.__dict__["texts"] == 1_000_000
    assert record.__dict__["features"] == {
        "label": {"psi": 0.8789, "limit": 0.2, "drifted": True},
        "tokens": {"psi": 0.0083, "limit": 0.2, "drifted": False},
    }
    assert emitted(capsys) == [
        (
            {"service": "classifier", "feature": "label"},
            {"PopulationStability": ([LABEL.psi], "None")},
        ),
        (
            {"service": "classifier", "feature": "tokens"},
            {"PopulationStability": ([TOKENS.psi], "None")},
        ),
        ({"service": "classifier"}, {"DriftedFeatures": ([1], "Count")}),
    ]


def test_a_window_that_is_too_small_has_no_metric(
    function: ModuleType, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")
    function.record_skipped_drift(Measurement(VERSION, 12, 9, ()))
    (record,) = caplog.records
    assert (record.message, record.__dict__["texts"]) == ("drift not measured", 12)
    assert record.__dict__["needed"] == MIN_TEXTS
    assert emitted(capsys) == []


def test_the_model_that_serves_is_measured(
    function: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a stack that deployed one model, and an alias at a version with another one
    old = "s3://models/news/00112233445566aa"
    settings = replace(function.settings, live_function=FUNCTION)
    monkeypatch.setattr(function, "settings", settings)
    with stubbed() as account:
        monkeypatch.setattr(function, "make_client", lambda *_, **__: account.lambda_)
        account.serve("7")
        account.has_model("7", old)
        # WHEN the function looks for its model THEN it is the other one
        assert function.find_model() == old


def test_without_a_stack_the_model_of_the_settings_is_measured(function: ModuleType) -> None:
    assert function.find_model() == f"s3://models/news/{VERSION}"


def test_single_labels_share_a_metric(function: ModuleType) -> None:
    # GIVEN the features of two labels, of which a text may have both
    stable, drifted = (
        Feature(f"label: {name}", ("with", "without"), np.full(2, 5e5), np.array(counts), 1.0)
        for name, counts in (("a", [5e5, 5e5]), ("b", [9e5, 1e5]))
    )
    # WHEN they become metrics THEN the greatest PSI is that of all labels
    found = function.find_greatest([stable, drifted, TOKENS])
    assert found == {"label": drifted.psi, "tokens": TOKENS.psi}
