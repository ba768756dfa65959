"""Drift measured on a local DynamoDB: the sample, the report and the scheduled function."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mypy_boto3_s3 import S3Client

from inference.drift import __main__ as report
from inference.drift.stability import MIN_TEXTS
from inference.local.emulator import EmulatorError, emulators
from inference.model.bundle import read_verified
from inference.model.classifier import Prediction
from inference.model.publish import publish
from inference.predictions.log import SHARDS, to_item
from inference.predictions.sample import PAGE, client, sample
from inference.runtime.settings import Settings
from tests.conftest import SAMPLE_MODEL
from tests.integration.conftest import Table

LABELS, VERSION = read_verified(SAMPLE_MODEL)[0].labels, read_verified(SAMPLE_MODEL)[1]
SETTINGS = Settings(model_uri="file:///models")
NOW = datetime.now(UTC)


def fill(
    table: Table, counts: Sequence[int], at: datetime = NOW, texts: int = 1, version: str = VERSION
) -> None:
    """Log requests, so many of each label, each of so many texts."""
    items = [
        to_item(request, index, at, "text", predicted(label), version, SETTINGS)
        for label, count in zip(LABELS, counts, strict=True)
        for request in (str(uuid.uuid4()) for _ in range(count))
        for index in range(texts)
    ]
    puts: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
    dynamodb = client()
    for start in range(0, len(puts), 25):
        dynamodb.batch_write_item(RequestItems={table.name: puts[start : start + 25]})


def predicted(label: str) -> Prediction:
    """A prediction of usual confidence and length."""
    rest = dict.fromkeys(LABELS, 0.01)
    return Prediction({**rest, label: 0.97}, False, 13)


def read(table: Table, limit: int = 10_000, hours: int = 24) -> list[str]:
    """The labels of a sample."""
    found = sample(client(), table.name, VERSION, hours, NOW, limit)
    return [one.label for one in found]


def test_a_window_is_one_models_and_the_last_hours(table: Table) -> None:
    # GIVEN predictions of now, of the window's first hour, of before, and of another model
    fill(table, [1, 0, 0, 0])
    fill(table, [0, 1, 0, 0], NOW - timedelta(hours=24))
    fill(table, [0, 0, 1, 0], NOW - timedelta(hours=25))
    fill(table, [0, 0, 0, 1], version="fedcba9876543210")
    # WHEN a day is read THEN it has the first two
    assert sorted(read(table)) == sorted(LABELS[:2])


def test_a_sample_is_spread_evenly_over_busy_and_quiet_hours(table: Table) -> None:
    # GIVEN an hour of 300 requests, and two of 100 each
    fill(table, [300, 0, 0, 0])
    fill(table, [0, 100, 0, 0], NOW - timedelta(hours=1))
    fill(table, [0, 0, 100, 0], NOW - timedelta(hours=2))
    # WHEN two fifths are sampled
    found = Counter(read(table, limit=200, hours=2))
    # THEN each hour has about as much of its requests in it (four standard deviations)
    assert sum(found.values()) == 200
    assert found[LABELS[0]] == pytest.approx(120, abs=22)
    for label in LABELS[1:3]:
        assert found[label] == pytest.approx(40, abs=18)


def test_no_more_is_read_than_the_sample_needs(table: Table) -> None:
    # GIVEN many more predictions than are wanted
    fill(table, [1_000, 0, 0, 0])
    dynamodb, items = client(), []
    dynamodb.meta.events.register(
        "after-call.dynamodb.Query", lambda parsed, **_: items.append(len(parsed["Items"]))
    )
    # WHEN a few are sampled THEN a page of each shard is read
    assert len(sample(dynamodb, table.name, VERSION, 1, NOW, 50)) == 50
    assert sum(items) <= PAGE * SHARDS


def arguments(table: Table, *more: str) -> list[str]:
    return ["--table", table.name, "--model-uri", SAMPLE_MODEL.as_uri(), "--hours", "1", *more]


def test_a_report_shows_every_feature_and_a_picture(
    table: Table, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # GIVEN a log whose predictions are all Health, and too alike
    fill(table, [0, 0, 0, MIN_TEXTS // 2], texts=2)
    # WHEN it is reported
    assert report.main(arguments(table, "--plot", str(tmp_path / "drift.png"))) == 0
    # THEN each feature is a row, and the shift is told
    out = capsys.readouterr().out
    assert f"1,000 predictions of {VERSION} in 500 requests" in out
    rows = {line.split(" | ")[0][2:]: line for line in out.splitlines() if line.startswith("| ")}
    assert re.search(r"\*\*drifted\*\* \| Health: \d+\.\d% → (99\.\d|100\.0)%", rows["label"])
    assert "stable" in rows["unknown tokens"]
    assert (tmp_path / "drift.png").read_bytes().startswith(b"\x89PNG")


def test_too_few_predictions_are_an_error(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    fill(table, [3, 0, 0, 0])
    assert report.main(arguments(table)) == 1
    assert "measured on 1,000 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--table", "not-there"], "ResourceNotFoundException"),
        (["--model-uri", "file:///nowhere"], "No such file"),
        (["--model-uri", "s3://not-there/news/0123456789abcdef"], "NoSuchBucket"),
    ],
)
def test_what_cannot_be_read_is_one_clear_sentence(
    table: Table,
    s3: S3Client,
    capsys: pytest.CaptureFixture[str],
    change: list[str],
    message: str,
) -> None:
    assert report.main([*arguments(table), *change]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error


def invoke(table: str, uri: str, log: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The lines that the scheduled function leaves, run in Lambda's runtime."""
    monkeypatch.setenv("MODEL_URI", uri)
    monkeypatch.setenv("PREDICTION_TABLE", table)
    monkeypatch.setenv("DRIFT_HOURS", "1")
    monkeypatch.setenv("METRICS_NAMESPACE", "TextClassifier/test")
    with emulators("inference.drift.function.handler", 1, log) as pool:
        pool.invoke({"source": "aws.events"}, timeout=60)
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def metric_values(lines: list[Any], name: str) -> list[float]:
    return [line[name][0] for line in lines if name in line]


def test_the_function_rings_for_a_shift_and_says_how_large(
    table: Table, s3: S3Client, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a published model, all of whose predictions were Health
    uri = publish(s3, SAMPLE_MODEL, f"s3://{bucket}/news")
    fill(table, [0, 0, 0, MIN_TEXTS])
    # WHEN the schedule calls the function
    lines = invoke(table.name, uri, tmp_path / "log", monkeypatch)
    # THEN it publishes a metric a feature, and what the alarm watches
    (drifted,) = metric_values(lines, "DriftedFeatures")
    assert drifted >= 1
    of_features = {line["feature"]: line for line in lines if "PopulationStability" in line}
    assert set(of_features) == {"label", "confidence", "tokens", "unknown tokens"}
    assert of_features["label"]["PopulationStability"][0] > 1
    namespace = of_features["label"]["_aws"]["CloudWatchMetrics"][0]["Namespace"]
    assert namespace == "TextClassifier/test"
    # AND the log line has the numbers
    (line,) = (line for line in lines if line.get("message") == "drift measured")
    assert line["model_version"] == VERSION
    assert line["texts"] == MIN_TEXTS
    assert line["features"]["label"]["drifted"] is True


def test_the_function_says_nothing_of_a_shift_on_few_predictions(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(table, [0, 0, 0, 10])
    lines = invoke(table.name, SAMPLE_MODEL.as_uri(), tmp_path / "log", monkeypatch)
    assert metric_values(lines, "DriftedFeatures") == []
    (line,) = (line for line in lines if line.get("message") == "drift not measured")
    assert (line["texts"], line["needed"]) == (10, MIN_TEXTS)


def test_a_log_that_cannot_be_read_is_an_error_of_the_function(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which its alarm counts."""
    with pytest.raises(EmulatorError, match="the function failed: ResourceNotFoundException"):
        invoke("not-there", SAMPLE_MODEL.as_uri(), tmp_path / "log", monkeypatch)
