"""The log lines and metrics of requests, starts and failures."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from aws_lambda_powertools.logging import logger as powertools_logger
from mypy_boto3_s3 import S3Client

from inference.model.bundle import read_verified
from tests.cloudwatch import read_log
from tests.conftest import ROOT, TinyModel
from tests.integration.conftest import Call, metrics_in, metrics_of


def test_a_prediction_is_logged_and_measured(
    call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a running function
    capsys.readouterr()
    # WHEN it classifies two texts
    _, _, answer = call("POST", "/predict", {"inputs": ["Fed holds rates", "A film"]})
    # THEN the log has one line for both, in their order
    printed = capsys.readouterr().out
    (record,) = (line for line in map(json.loads, printed.splitlines()) if "message" in line)
    assert record["message"] == "predicted"
    predictions = answer["predictions"]
    assert record["model_version"] == answer["model_version"]
    assert record["labels"] == [one["predicted_label"] for one in predictions]
    assert record["confidences"] == [round(one["confidence"], 4) for one in predictions]
    tokens, latency = record["tokens"], record["latency_ms"]
    assert isinstance(tokens, list)
    assert len(tokens) == 2
    assert isinstance(latency, float)
    # AND the metrics have the same values
    values = metrics_of(printed)
    assert values["Confidence"] == record["confidences"]
    assert values["Tokens"] == tokens
    assert values["Latency"] == [pytest.approx(latency, abs=0.01)]
    assert sum(values["Predictions"]) == 2


def test_only_the_tokens_that_the_model_read_are_counted(
    call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a text longer than the model reads WHEN it is classified
    call("POST", "/predict", {"inputs": "inflation " * 100})
    # THEN the record has as many tokens as the model reads
    _, _, card = call("GET", "/model")
    (record,) = read_log(capsys, "predicted")
    assert record["tokens"] == [card["max_length"]]


def test_a_request_without_a_prediction_has_no_metric(
    call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    call("GET", "/health")
    capsys.readouterr()
    call("GET", "/health")
    call("POST", "/predict", {"inputs": 1})
    assert metrics_in(capsys) == {}


def test_the_first_request_of_an_environment_is_a_cold_start(
    start: Callable[..., Call],
    uri: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a new environment, which has recorded its model load time
    monkeypatch.setattr(powertools_logger, "is_cold_start", True)
    call = start(uri)
    (seconds,) = metrics_in(capsys)["ModelLoadSeconds"]
    assert 0 < seconds < 60
    # WHEN it is called twice THEN only the first call counts
    call("GET", "/health")
    assert metrics_in(capsys)["ColdStarts"] == [1]
    call("GET", "/health")
    assert "ColdStarts" not in metrics_in(capsys)


def test_a_provisioned_environment_has_no_cold_start(
    start: Callable[..., Call],
    uri: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(powertools_logger, "is_cold_start", True)
    start(uri, AWS_LAMBDA_INITIALIZATION_TYPE="provisioned-concurrency")("GET", "/health")
    assert "ColdStarts" not in metrics_in(capsys)


def test_every_failed_load_is_counted(
    start: Callable[..., Call],
    s3: S3Client,
    bucket: str,
    tiny_model: TinyModel,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a function whose model is missing
    # WHEN it starts and when it is called THEN each attempt counts
    version = read_verified(tiny_model.bundle).version
    call = start(f"s3://{bucket}/later/{version}")
    assert metrics_in(capsys)["ModelLoadFailures"] == [1]
    assert call("GET", "/health")[0] == 503
    assert metrics_in(capsys)["ModelLoadFailures"] == [1]


@pytest.mark.parametrize("setting", ["", "false", "true"])
def test_texts_are_logged_only_if_a_setting_allows_it(
    start: Callable[..., Call], uri: str, capsys: pytest.CaptureFixture[str], setting: str
) -> None:
    call = start(uri, **({"LOG_TEXT": setting} if setting else {}))
    call("POST", "/predict", {"inputs": "zebra crossing"})
    expected = ["zebra crossing"] if setting == "true" else None
    (record,) = read_log(capsys, "predicted")
    assert record.get("texts") == expected


def test_the_namespace_is_a_setting(
    start: Callable[..., Call], uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call = start(uri, METRICS_NAMESPACE="Headlines/Test")
    call("POST", "/predict", {"inputs": "Fed holds rates"})
    printed = capsys.readouterr().out
    assert '"Namespace":"Headlines/Test"' in printed.replace(": ", ":")
    assert "TextClassifier" not in printed


def test_without_a_table_a_local_model_is_served_without_boto3(tiny_model: TinyModel) -> None:
    # GIVEN a function without a prediction log and with a model on disk
    code = "import sys, inference.api.handler; sys.exit('boto3' in sys.modules)"
    environment = {"MODEL_URI": f"file://{tiny_model.bundle}", "PYTHONPATH": str(ROOT)}
    # WHEN it starts THEN it does not spend a tenth of a second on importing boto3
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == 0
