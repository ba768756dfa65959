"""The prediction log, on a local DynamoDB that works or fails."""

import gc
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from inference.runtime.context import Context
from tests.integration.conftest import Call, PredictionTable, metrics_in
from tests.integration.faulty_dynamodb import Fault, faulty_dynamodb

BOUND_MS = 200
# For the rest of a request on a busy machine.
SLACK_MS = 500


@pytest.fixture
def logging_call(start: Callable[..., Call], uri: str, table: PredictionTable) -> Call:
    """A function that logs its predictions, with time enough for a slow machine."""
    return start(uri, PREDICTION_TABLE=table.name, PREDICTION_TIMEOUT_MS="5000")


@pytest.fixture
def faulty_call(
    start: Callable[..., Call],
    uri: str,
    table: PredictionTable,
    s3_endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Call]]:
    """A way to start a function with a fault between it and its table."""
    with ExitStack() as stack:

        def new(fault: Fault, timeout_ms: int = BOUND_MS) -> Call:
            url = stack.enter_context(faulty_dynamodb(s3_endpoint, fault))
            monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
            return start(uri, PREDICTION_TABLE=table.name, PREDICTION_TIMEOUT_MS=str(timeout_ms))

        # The process of the tests may hold torch; collecting its garbage stops all threads for
        # up to 2 s.
        gc.freeze()
        yield new
        gc.unfreeze()


def predict(call: Call, count: int) -> tuple[Any, float]:
    """Classify a list; returns the answer, and how many milliseconds it took."""
    started = time.monotonic()
    status, _, answer = call("POST", "/predict", {"inputs": ["Fed holds rates"] * count})
    milliseconds = 1000 * (time.monotonic() - started)
    assert status == 200
    assert len(answer["predictions"]) == count
    return answer, milliseconds


def test_a_prediction_is_an_item(logging_call: Call, table: PredictionTable) -> None:
    # GIVEN a function with a table
    before = datetime.now(UTC)
    # WHEN it predicts
    _, _, answer = logging_call("POST", "/predict", {"inputs": "zebra crossing"})
    # THEN the table holds its answer, and a digest of the text instead of the text
    (item,) = table.items().values()
    moment = datetime.fromisoformat(item.pop("time"))
    assert before - timedelta(milliseconds=1) <= moment <= datetime.now(UTC)
    assert item.pop("expires_at") == int(moment.timestamp()) + 30 * 86_400
    assert isinstance(item["confidence"], Decimal)
    assert item.pop("tokens") > 2
    assert 0 <= item.pop("unknown_tokens") < 2
    assert item.pop("bucket").startswith(f"{answer['model_version']}#{moment:%Y-%m-%dT%H}#")
    assert item == {
        "id": "the-request-id#0",
        "label": answer["predicted_label"],
        "confidence": Decimal(str(answer["confidence"])),
        "model_version": answer["model_version"],
        "text_sha256": hashlib.sha256(b"zebra crossing").hexdigest(),
        "truncated": False,
    }


def test_the_item_of_a_long_text_says_that_it_was_truncated(
    logging_call: Call, table: PredictionTable
) -> None:
    logging_call("POST", "/predict", {"inputs": "inflation " * 100})
    (item,) = table.items().values()
    assert item["truncated"] is True


def test_a_long_list_is_written_in_several_calls(
    logging_call: Call, table: PredictionTable, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN more texts than DynamoDB takes in one call, each of them twice
    texts = [f"headline {number // 2}" for number in range(60)]
    # WHEN they are classified
    _, _, answer = logging_call("POST", "/predict", {"inputs": texts})
    # THEN each has an item, in the order of the answers, and none is counted as lost
    items = table.items()
    assert len(items) == 60
    for index, (text, prediction) in enumerate(zip(texts, answer["predictions"], strict=True)):
        item = items[f"the-request-id#{index}"]
        assert item["text_sha256"] == hashlib.sha256(text.encode()).hexdigest()
        assert item["label"] == prediction["predicted_label"]
    assert "PredictionLogFailures" not in metrics_in(capsys)


def test_texts_are_kept_if_a_setting_allows_it(
    start: Callable[..., Call], uri: str, table: PredictionTable
) -> None:
    call = start(uri, PREDICTION_TABLE=table.name, PREDICTION_TIMEOUT_MS="5000", LOG_TEXT="true")
    call("POST", "/predict", {"inputs": "zebra crossing"})
    (item,) = table.items().values()
    assert item["text"] == "zebra crossing"


def test_an_invalid_request_leaves_no_item(logging_call: Call, table: PredictionTable) -> None:
    assert logging_call("POST", "/predict", {"inputs": ["good", 1]})[0] == 422
    assert table.items() == {}


def test_an_answer_that_lambda_cannot_send_leaves_no_item(
    logging_call: Call, table: PredictionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a direct invocation whose answer is a byte too long, with the ids of its predictions
    del logging_call  # which started the function
    handler = sys.modules["inference.api.handler"].handler
    event = {"inputs": ["Fed holds rates"] * 3}
    answer = handler(event, Context("request-a"))
    size = len(json.dumps(answer, ensure_ascii=False).encode())
    before = table.items()
    assert [each["prediction_id"][-1] for each in answer["predictions"]] == ["0", "1", "2"]
    direct: Any = sys.modules["inference.api.direct"]
    monkeypatch.setattr(direct, "MAX_ANSWER_BYTES", size - 1)
    # WHEN it is invoked THEN it is answered with the problem, and nothing is written
    assert handler(event, Context("request-b"))["status"] == 413
    assert table.items() == before
    # BUT one that fits is written
    monkeypatch.setattr(direct, "MAX_ANSWER_BYTES", size)
    assert "predictions" in handler(event, Context("request-c"))
    assert len(table.items()) == 2 * len(before) == 6


@pytest.mark.parametrize("fault", ["500 once", "throttled once", "half unprocessed"])
def test_a_passing_fault_loses_nothing(
    faulty_call: Callable[..., Call],
    table: PredictionTable,
    capsys: pytest.CaptureFixture[str],
    fault: Fault,
) -> None:
    # GIVEN a DynamoDB that refuses once, or accepts only half of each call
    call = faulty_call(fault, timeout_ms=5000)
    # WHEN predictions are made THEN all are logged
    predict(call, 30)
    assert len(table.items()) == 30
    assert "PredictionLogFailures" not in metrics_in(capsys)


@pytest.mark.parametrize("fault", ["silent", "drip", "reset", "500", "throttled", "unprocessed"])
def test_a_lasting_fault_costs_the_log_but_not_the_answer(
    faulty_call: Callable[..., Call],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
) -> None:
    # GIVEN a DynamoDB that never accepts an item
    call = faulty_call(fault)
    for _ in range(3):
        caplog.clear()
        # WHEN predictions are made again and again
        _, milliseconds = predict(call, 30)
        # THEN each answer is on time, and the loss is logged once and counted completely
        assert milliseconds < BOUND_MS + SLACK_MS
        lost = [record for record in caplog.records if record.message == "predictions not logged"]
        assert [record.__dict__["lost"] for record in lost] == [30]
        assert lost[0].__dict__["cause"]
        assert metrics_in(capsys)["PredictionLogFailures"] == [30]


def test_items_that_a_slow_table_accepts_in_time_are_not_counted_as_lost(
    faulty_call: Callable[..., Call], table: PredictionTable, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a DynamoDB that needs more time for five calls than it has
    call = faulty_call("slow", timeout_ms=1000)
    # WHEN a long list is classified
    _, milliseconds = predict(call, 125)
    # THEN the answer is on time, and some calls are lost but not all
    assert milliseconds < 1000 + SLACK_MS
    (lost,) = metrics_in(capsys)["PredictionLogFailures"]
    assert lost in (25, 50, 75, 100)
    assert len(table.items()) >= 125 - lost  # a call in progress may still succeed


@pytest.mark.parametrize(
    ("endpoint", "cause"),
    [(None, "ResourceNotFoundException"), ("http://127.0.0.1:9", "Could not connect")],
)
def test_a_missing_table_costs_no_answer(
    start: Callable[..., Call],
    uri: str,
    table: PredictionTable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    endpoint: str | None,
    cause: str,
) -> None:
    # GIVEN a function whose table does not exist, or whose DynamoDB cannot be reached
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
    call = start(uri, PREDICTION_TABLE="nowhere", PREDICTION_TIMEOUT_MS="1000")
    # WHEN it predicts
    predict(call, 2)
    # THEN it answers, and the log says why nothing was written
    (record,) = (one for one in caplog.records if one.message == "predictions not logged")
    assert cause in record.__dict__["cause"]
    assert metrics_in(capsys)["PredictionLogFailures"] == [2]


def test_an_abandoned_call_does_not_block_the_next_one(
    faulty_call: Callable[..., Call], table: PredictionTable, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a DynamoDB that has left one call unanswered
    call = faulty_call("silent once", timeout_ms=500)
    predict(call, 1)
    assert metrics_in(capsys)["PredictionLogFailures"] == [1]
    # WHEN more predictions are made THEN they are logged
    predict(call, 20)
    assert "PredictionLogFailures" not in metrics_in(capsys)
    assert len(table.items()) == 20


def test_items_that_were_counted_as_lost_are_not_retried(
    faulty_call: Callable[..., Call], table: PredictionTable, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a DynamoDB that has had no capacity for a request of two texts
    call = faulty_call("unprocessed for 1 s", timeout_ms=500)
    predict(call, 2)
    assert metrics_in(capsys)["PredictionLogFailures"] == [2]
    # WHEN it has capacity again THEN only new predictions use it
    time.sleep(1)
    predict(call, 1)
    assert "PredictionLogFailures" not in metrics_in(capsys)
    assert list(table.items()) == ["the-request-id#0"]
