"""Two models of one stack, compared from a prediction log on a local DynamoDB."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inference.model.classifier import Prediction
from inference.predictions.log import to_item
from inference.predictions.sample import client
from inference.runtime.settings import Settings
from operations.compare import compare
from operations.stack import DeliveryError
from tests.account import DEPLOYED, FUNCTION, STORE, Account, stubbed
from tests.integration.conftest import Table

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
SERVING, CANDIDATE = "0123456789abcdef", "fedcba9876543210"
SETTINGS = Settings(model_uri="file:///models")


@pytest.fixture
def account() -> Iterator[Account]:
    with stubbed() as found:
        yield found


def fill(table: Table, version: str, yes: int, no: int, at: datetime) -> None:
    """Log so many requests answered yes and no."""
    answers = [{"yes": 0.9, "no": 0.1}] * yes + [{"yes": 0.1, "no": 0.9}] * no
    puts: list[Any] = [
        {"PutRequest": {"Item": to_item(str(uuid.uuid4()), 0, at, "text", one, version, SETTINGS)}}
        for one in (Prediction(answer, False, 9) for answer in answers)
    ]
    for start in range(0, len(puts), 25):
        client().batch_write_item(RequestItems={table.name: puts[start : start + 25]})


def serve(account: Account, table: Table, started: datetime) -> None:
    """Expect to be asked what serves: version 10, and a candidate since a time."""
    account.describe(PredictionTable=table.name)
    account.serve("10", v11=0.1)
    for number, uri in (("10", DEPLOYED), ("11", f"{STORE}/{CANDIDATE}")):
        account.function.add_response(
            "get_function_configuration",
            {
                "Environment": {"Variables": {"MODEL_URI": uri}},
                "LastModified": started.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            },
            {"FunctionName": FUNCTION, "Qualifier": number},
        )


def report(account: Account) -> str:
    return compare(account.cloudformation, account.lambda_, client(), "stack", 24, NOW)


def test_two_models_are_compared_on_the_hours_that_they_shared(
    account: Account, table: Table
) -> None:
    # GIVEN a candidate since 9:50, and other questions before that
    serve(account, table, NOW.replace(hour=9, minute=50))
    fill(table, SERVING, 0, 100, NOW - timedelta(hours=3))
    fill(table, SERVING, 60, 60, NOW - timedelta(hours=2))
    fill(table, CANDIDATE, 90, 30, NOW - timedelta(hours=1))
    # WHEN the two are compared
    text = report(account)
    # THEN the questions from before are not held against it
    assert f"{SERVING}: 120 texts in 120 requests" in text
    assert "| yes | 50.00% | 75.00% | +25.00% (" in text
    assert "They differ in no, yes" in text


def test_without_a_candidate_there_is_nothing_to_compare(account: Account) -> None:
    account.describe(PredictionTable="predictions")
    account.serve("10")
    with pytest.raises(DeliveryError, match="no candidate"):
        compare(account.cloudformation, account.lambda_, None, "stack", 24, NOW)  # type: ignore[arg-type]


def test_without_a_prediction_log_there_is_nothing_to_compare(account: Account) -> None:
    account.describe()
    with pytest.raises(DeliveryError, match="PredictionLog=on"):
        compare(account.cloudformation, account.lambda_, None, "stack", 24, NOW)  # type: ignore[arg-type]
