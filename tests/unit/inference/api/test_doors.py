"""Events of AWS's documentation, and the doors that they came through."""

import json
from typing import Any

import pytest

from inference.api.doors import Door, find_door
from inference.local.checkout import SAMPLE_REQUESTS

DOORS = {
    "blank": Door.HTTP_API,
    "direct": Door.DIRECT,
    "function-url": Door.FUNCTION_URL,
    "health": Door.HTTP_API,
    "http-api-payload-1": Door.REST_API,
    "load-balancer": Door.LOAD_BALANCER,
    "load-balancer-health-check": Door.LOAD_BALANCER,
    "load-balancer-multi-value": Door.LOAD_BALANCER,
    "many": Door.HTTP_API,
    "model": Door.HTTP_API,
    "one": Door.HTTP_API,
    "queue": Door.QUEUE,
    "rest-api": Door.REST_API,
    "warmer": Door.WARMER,
}


def test_every_sample_event_has_its_door() -> None:
    files = (SAMPLE_REQUESTS / "events").glob("*.json")
    assert {file.stem: find_door(json.loads(file.read_text())) for file in files} == DOORS


@pytest.mark.parametrize(
    "event", [{}, {"source": "aws.events", "detail-type": "Scheduled Event"}, {"warmer": True}]
)
def test_schedules_and_warmers_ask_for_no_prediction(event: dict[str, Any]) -> None:
    assert find_door(event) is Door.WARMER


@pytest.mark.parametrize(
    "event", [{"inputs": "a"}, {"input": "a"}, {"requestContext": None}, ["a"], "a", None, 1]
)
def test_anything_else_is_a_request_of_its_own(event: Any) -> None:
    assert find_door(event) is Door.DIRECT


@pytest.mark.parametrize(
    "event",
    [
        {"inputs": "a", "source": "rss"},
        {"text": "a", "warmer": False},
        {"prediction_id": "a", "label": "b", "source": "crm"},
    ],
)
def test_a_text_or_feedback_is_never_taken_for_a_schedule(event: dict[str, Any]) -> None:
    assert find_door(event) is Door.DIRECT


@pytest.mark.parametrize(
    "records", [[], ["a"], [{"eventSource": "aws:s3"}], [{"EventSource": "aws:sns"}]]
)
def test_records_of_another_service_are_no_request(records: list[Any]) -> None:
    assert find_door({"Records": records}) is Door.UNKNOWN


@pytest.mark.parametrize(
    "event",
    [
        {"eventSource": "aws:kafka", "records": {"topic-0": [{"value": "YQ=="}]}},
        {"eventSource": "aws:mq", "messages": [{"data": "YQ=="}]},
        {"awslogs": {"data": "H4sI"}},
        [{"messageId": "1", "body": "{}", "eventSource": "aws:sqs"}],  # of a pipe of EventBridge
    ],
)
def test_what_a_service_delivers_is_not_lost_as_a_wrong_request(event: Any) -> None:
    assert find_door(event) is Door.UNKNOWN
