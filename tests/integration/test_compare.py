"""Comparing the two models of a stack, with a prediction log in a local DynamoDB."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inference.model.classifier import Prediction
from inference.prediction_log.sample import create_client
from inference.prediction_log.table import to_item
from inference.runtime.settings import Settings
from operations.compare import compare_answers
from operations.stack import StackError
from tests.account import DEPLOYED, FUNCTION, STORE, Account, stubbed
from tests.integration.conftest import PredictionTable

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
SERVING, CANDIDATE = "0123456789abcdef", "fedcba9876543210"
SETTINGS = Settings(model_uri="file:///models")


@pytest.fixture
def account() -> Iterator[Account]:
    """Stubs of CloudFormation and Lambda."""
    with stubbed() as stubs:
        yield stubs


def fill(table: PredictionTable, version: str, yes: int, no: int, at: datetime) -> None:
    """Log requests that were answered yes, and requests that were answered no."""
    answers = [{"yes": 0.9, "no": 0.1}] * yes + [{"yes": 0.1, "no": 0.9}] * no
    predictions = [Prediction(answer, False, 9) for answer in answers]
    items = [
        to_item(str(uuid.uuid4()), 0, at, "text", prediction, version, SETTINGS)
        for prediction in predictions
    ]
    puts: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
    for start in range(0, len(puts), 25):
        create_client().batch_write_item(RequestItems={table.name: puts[start : start + 25]})


def serve(account: Account, table: PredictionTable, started: datetime) -> None:
    """Expect calls that ask what serves: version 10, and a candidate since a certain time."""
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
    return compare_answers(account.lambda_, create_client(), account.find(), 24, NOW)


def test_only_the_hours_in_which_both_models_answered_count(
    account: Account, table: PredictionTable
) -> None:
    # GIVEN a candidate since 9:50, and requests of another kind before that
    serve(account, table, NOW.replace(hour=9, minute=50))
    fill(table, SERVING, 0, 100, NOW - timedelta(hours=3))
    fill(table, SERVING, 60, 60, NOW - timedelta(hours=2))
    fill(table, CANDIDATE, 90, 30, NOW - timedelta(hours=1))
    # WHEN the two are compared
    text = report(account)
    # THEN the earlier requests are left out
    assert f"{SERVING}: 120 texts in 120 requests" in text
    assert "| yes | 50.00% | 75.00% | +25.00% (" in text
    assert "They differ in no, yes" in text


def test_without_a_candidate_there_is_nothing_to_compare(account: Account) -> None:
    account.describe(PredictionTable="predictions")
    account.serve("10")
    with pytest.raises(StackError, match="no candidate"):
        compare_answers(account.lambda_, None, account.find(), 24, NOW)  # type: ignore[arg-type]


def test_without_a_prediction_log_there_is_nothing_to_compare(account: Account) -> None:
    account.describe()
    with pytest.raises(StackError, match="PredictionLog=on"):
        compare_answers(account.lambda_, None, account.find(), 24, NOW)  # type: ignore[arg-type]
