"""Tell by the form of an event which door it came through.

Each kind of event is described on a page of AWS's documentation:

- HTTP API, payload format 2.0, and function URLs, which use the same format:
  https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
  https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
- REST API, and payload format 1.0 of HTTP APIs:
  https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
- Application Load Balancer:
  https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
- SQS: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
- EventBridge, which names its source in every event:
  https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
- Other services whose events Lambda polls, such as Kafka, Amazon MQ and the pipes of EventBridge:
  https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html
  https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes.html
- CloudWatch Logs: https://docs.aws.amazon.com/lambda/latest/dg/services-cloudwatchlogs.html
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from inference.api.requests import FIELDS

PREDICTION_ID = "prediction_id"  # the field that makes a direct invocation feedback


class UnknownEventError(Exception):
    """The event came from a service that has no door here; to answer it would be to lose it."""


class Door(Enum):
    """A way to reach the function."""

    HTTP_API = "an HTTP API of API Gateway"
    FUNCTION_URL = "a function URL"
    REST_API = "a REST API of API Gateway"
    LOAD_BALANCER = "an Application Load Balancer"
    QUEUE = "an SQS queue"
    WARMER = "a warmer"
    DIRECT = "a direct invocation"
    UNKNOWN = "another AWS service"


HTTP = {Door.HTTP_API, Door.FUNCTION_URL, Door.REST_API, Door.LOAD_BALANCER}


def find_door(event: Any) -> Door:
    """Find the door of an event; whatever has the form of none is a direct invocation."""
    if not isinstance(event, Mapping):
        return Door.UNKNOWN if _find_source(event) else Door.DIRECT
    context = event.get("requestContext")
    if isinstance(context, Mapping):
        if "http" in context:
            is_url = ".lambda-url." in str(context.get("domainName"))
            return Door.FUNCTION_URL if is_url else Door.HTTP_API
        if "elb" in context:
            return Door.LOAD_BALANCER
    if "httpMethod" in event:
        return Door.REST_API
    if isinstance(records := event.get("Records"), list):
        return Door.QUEUE if _find_source(records) == "aws:sqs" else Door.UNKNOWN
    if "eventSource" in event or "awslogs" in event:
        return Door.UNKNOWN
    # The events of EventBridge have a source, and so do those of serverless-plugin-warmup;
    # lambda-warmer sends {"warmer": true}. None of them has a text or feedback, which must not go
    # unanswered.
    is_warmer = not event or "source" in event or "warmer" in event
    has_content = not event.keys().isdisjoint([*FIELDS, PREDICTION_ID])
    return Door.WARMER if is_warmer and not has_content else Door.DIRECT


def _find_source(records: Any) -> Any:
    """Return the service that the first of some records came from; None if they are none."""
    is_list = isinstance(records, list) and records and isinstance(records[0], Mapping)
    return records[0].get("eventSource") if is_list else None
