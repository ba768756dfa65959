"""Drift measured on a local DynamoDB: the sample, the command and the scheduled function."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from mypy_boto3_s3 import S3Client

from inference.drift.measure import MIN_TEXTS
from inference.local.emulator import EmulatorError, emulators
from inference.model.bundle import read_verified
from inference.model.classifier import Prediction
from inference.model.publish import publish
from inference.prediction_log.feedback import FeedbackStore
from inference.prediction_log.prediction_id import PredictionId
from inference.prediction_log.sample import PAGE, create_client, sample
from inference.prediction_log.table import SHARDS, to_item
from inference.runtime.settings import Settings
from tests.conftest import SAMPLE_MODEL
from tests.integration.conftest import PredictionTable
from textclf.app import main

SHIPPED = read_verified(SAMPLE_MODEL)
LABELS, VERSION = SHIPPED.manifest.labels, SHIPPED.version
SETTINGS = Settings(model_uri="file:///models")
NOW = datetime.now(UTC)


def log(
    table: PredictionTable,
    counts: Sequence[int],
    at: datetime = NOW,
    texts: int = 1,
    version: str = VERSION,
) -> None:
    """Log requests.

    Args:
        table: The prediction log.
        counts: How many requests, for each label.
        at: When they were made.
        texts: How many texts each request holds.
        version: The model that answered.
    """
    items = [
        to_item(request, index, at, "text", predict(label), version, SETTINGS)
        for label, count in zip(LABELS, counts, strict=True)
        for request in (str(uuid.uuid4()) for _ in range(count))
        for index in range(texts)
    ]
    puts: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
    dynamodb = create_client()
    for start in range(0, len(puts), 25):
        dynamodb.batch_write_item(RequestItems={table.name: puts[start : start + 25]})


def predict(label: str) -> Prediction:
    """Make a prediction of average confidence and length."""
    others = dict.fromkeys(LABELS, 0.01)
    return Prediction({**others, label: 0.97}, False, 13)


def sample_labels(table: PredictionTable, limit: int = 10_000, hours: int = 24) -> list[str]:
    predictions = sample(create_client(), table.name, VERSION, hours, NOW, limit)
    return [prediction.label for prediction in predictions]


def test_a_window_holds_the_last_hours_of_one_model(table: PredictionTable) -> None:
    # GIVEN predictions of now, of the window's first hour, of before, and of another model
    log(table, [1, 0, 0, 0])
    log(table, [0, 1, 0, 0], NOW - timedelta(hours=24))
    log(table, [0, 0, 1, 0], NOW - timedelta(hours=25))
    log(table, [0, 0, 0, 1], version="fedcba9876543210")
    # WHEN a day is read THEN it holds the first two
    assert sorted(sample_labels(table)) == sorted(LABELS[:2])


def test_a_sample_is_spread_evenly_over_busy_and_quiet_hours(table: PredictionTable) -> None:
    # GIVEN an hour of 300 requests, and two of 100 each
    log(table, [300, 0, 0, 0])
    log(table, [0, 100, 0, 0], NOW - timedelta(hours=1))
    log(table, [0, 0, 100, 0], NOW - timedelta(hours=2))
    # WHEN two fifths are sampled
    counts = Counter(sample_labels(table, limit=200, hours=2))
    # THEN about two fifths of each hour are in the sample (within four standard deviations)
    assert sum(counts.values()) == 200
    assert counts[LABELS[0]] == pytest.approx(120, abs=22)
    for label in LABELS[1:3]:
        assert counts[label] == pytest.approx(40, abs=18)


def test_no_more_is_read_than_the_sample_needs(table: PredictionTable) -> None:
    # GIVEN many more predictions than are wanted
    log(table, [1_000, 0, 0, 0])
    dynamodb, items = create_client(), []
    dynamodb.meta.events.register(
        "after-call.dynamodb.Query", lambda parsed, **_: items.append(len(parsed["Items"]))
    )
    # WHEN a few are sampled THEN one page of each shard is read
    assert len(sample(dynamodb, table.name, VERSION, 1, NOW, 50)) == 50
    assert sum(items) <= PAGE * SHARDS


def command(table: PredictionTable, *more: str) -> list[str]:
    uri = SAMPLE_MODEL.as_uri()
    return ["drift", "--table", table.name, "--model-uri", uri, "--hours", "1", *more]


def test_the_command_shows_every_feature_and_draws_a_picture(
    table: PredictionTable, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # GIVEN a log in which every prediction is Health, with the same confidence
    log(table, [0, 0, 0, MIN_TEXTS // 2], texts=2)
    # WHEN drift is measured
    assert main(command(table, "--plot", str(tmp_path / "drift.png"))) == 0
    # THEN each feature has a row, with its largest shift
    out = capsys.readouterr().out
    assert f"1,000 predictions of {VERSION} in 500 requests" in out
    rows = {line.split(" | ")[0][2:]: line for line in out.splitlines() if line.startswith("| ")}
    assert re.search(r"\*\*drifted\*\* \| Health: \d+\.\d% → (99\.\d|100\.0)%", rows["label"])
    assert "stable" in rows["unknown tokens"]
    assert (tmp_path / "drift.png").read_bytes().startswith(b"\x89PNG")


def test_too_few_predictions_are_an_error(
    table: PredictionTable, capsys: pytest.CaptureFixture[str]
) -> None:
    log(table, [3, 0, 0, 0])
    assert main(command(table)) == 1
    out, error = capsys.readouterr()
    assert out.startswith("3 predictions")
    assert error == "error: drift is measured on 1,000 predictions or more: try more --hours\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--table", "not-there"], "ResourceNotFoundException"),
        (["--model-uri", "file:///nowhere"], "No such file"),
        (["--model-uri", "s3://not-there/news/0123456789abcdef"], "NoSuchBucket"),
    ],
)
def test_a_table_or_model_that_cannot_be_read_is_one_clear_sentence(
    table: PredictionTable,
    s3: S3Client,
    capsys: pytest.CaptureFixture[str],
    change: list[str],
    message: str,
) -> None:
    name, value = change
    arguments = command(table)
    arguments[arguments.index(name) + 1] = value
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error


def invoke(table: str, uri: str, log: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Run the scheduled function in Lambda's runtime and return the lines it logs."""
    monkeypatch.setenv("MODEL_URI", uri)
    monkeypatch.setenv("PREDICTION_TABLE", table)
    monkeypatch.setenv("DRIFT_HOURS", "1")
    monkeypatch.setenv("METRICS_NAMESPACE", "TextClassifier/test")
    with emulators("inference.drift.function.handler", 1, log) as pool:
        pool.invoke({"source": "aws.events"}, timeout=60)
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def metric_values(lines: list[Any], name: str) -> list[float]:
    return [line[name][0] for line in lines if name in line]


def test_the_function_reports_a_shift_and_its_size(
    table: PredictionTable,
    s3: S3Client,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a published model, all of whose predictions were Health
    uri = publish(s3, SAMPLE_MODEL, f"s3://{bucket}/news")
    log(table, [0, 0, 0, MIN_TEXTS])
    # WHEN the schedule calls the function
    lines = invoke(table.name, uri, tmp_path / "log", monkeypatch)
    # THEN it publishes a metric for each feature, and the one that the alarm watches
    (drifted,) = metric_values(lines, "DriftedFeatures")
    assert drifted >= 1
    by_feature = {line["feature"]: line for line in lines if "PopulationStability" in line}
    assert set(by_feature) == {"label", "confidence", "tokens", "unknown tokens"}
    assert by_feature["label"]["PopulationStability"][0] > 1
    namespace = by_feature["label"]["_aws"]["CloudWatchMetrics"][0]["Namespace"]
    assert namespace == "TextClassifier/test"
    # AND the log line holds the numbers
    (line,) = (line for line in lines if line.get("message") == "drift measured")
    assert line["model_version"] == VERSION
    assert line["texts"] == MIN_TEXTS
    assert line["features"]["label"]["drifted"] is True


def test_the_function_measures_nothing_on_few_predictions(
    table: PredictionTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(table, [0, 0, 0, 10])
    lines = invoke(table.name, SAMPLE_MODEL.as_uri(), tmp_path / "log", monkeypatch)
    assert metric_values(lines, "DriftedFeatures") == []
    (line,) = (line for line in lines if line.get("message") == "drift not measured")
    assert (line["texts"], line["needed"]) == (10, MIN_TEXTS)


def test_the_function_fails_on_a_log_that_it_cannot_read(
    table: PredictionTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN no log WHEN the function is called THEN it fails, which its alarm counts
    with pytest.raises(EmulatorError, match="the function failed: ResourceNotFoundException"):
        invoke("not-there", SAMPLE_MODEL.as_uri(), tmp_path / "log", monkeypatch)


def give_feedback(table: PredictionTable, key: str, label: str) -> None:
    FeedbackStore(table.name).store(PredictionId.from_key(key, VERSION), label)


def test_the_command_shows_how_often_people_agree(
    table: PredictionTable, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN predictions of which people confirmed one and corrected another
    log(table, [2, 0, 0, 0])
    first, second = table.items()
    give_feedback(table, first, LABELS[0])
    give_feedback(table, second, LABELS[3])
    # WHEN drift is measured THEN it shows both, although there are too few predictions for drift
    assert main(command(table)) == 1
    out = capsys.readouterr().out
    assert "Feedback agrees with 1 of 2 labels: 50.0% (95 % interval 9.5% to 90.5%)" in out
    assert "People correct what is wrong more often" in out
    assert f"| {LABELS[0]} | 2 | 1 | 50.0% | 9.5% to 90.5% |" in out
    assert f"Corrected most often: {LABELS[0]} → {LABELS[3]}: 1" in out


def test_feedback_on_another_model_is_not_counted(
    table: PredictionTable, capsys: pytest.CaptureFixture[str]
) -> None:
    log(table, [1, 0, 0, 0], version="fedcba9876543210")
    (key,) = table.items()
    FeedbackStore(table.name).store(PredictionId.from_key(key, "fedcba9876543210"), LABELS[0])
    main(command(table))
    assert "No feedback in this time." in capsys.readouterr().out


def test_a_table_that_is_older_than_feedback_does_not_stop_the_command(
    s3_endpoint: str, table: PredictionTable, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a table without the index of feedback
    name = f"{table.name}-old"
    client = boto3.client("dynamodb", endpoint_url=s3_endpoint)
    (index, *_) = client.describe_table(TableName=table.name)["Table"]["GlobalSecondaryIndexes"]
    wanted: Any = {key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": one, "AttributeType": "S"} for one in ("id", "bucket")
        ],
        GlobalSecondaryIndexes=[wanted],
        BillingMode="PAY_PER_REQUEST",
    )
    # WHEN drift is measured THEN it says how to get one
    arguments = command(table)
    arguments[arguments.index("--table") + 1] = name
    main(arguments)
    out, error = capsys.readouterr()
    assert f"No feedback: {name} has no index by-day-of-feedback: deploy" in out
    assert "1,000 predictions or more" in error
