"""Draw a random sample of a model's recent predictions from the log."""

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from inference.aws import make_client
from inference.prediction_log.table import (
    INDEX,
    PARTITION_KEY,
    SHARDS,
    Item,
    LoggedPrediction,
    from_item,
    partition_of,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PAGE = 100  # items per call
CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0  # without receiving a byte
ATTEMPTS = 5


def sample(
    dynamodb: "DynamoDBClient", table: str, version: str, hours: int, now: datetime, limit: int
) -> list[LoggedPrediction]:
    """Return a random sample of a model's predictions, as ``sample_items`` draws it."""
    items = sample_items(dynamodb, table, version, hours, now, limit)
    return [from_item(item) for item in items]


def sample_items(
    dynamodb: "DynamoDBClient", table: str, version: str, hours: int, now: datetime, limit: int
) -> list[Item]:
    """Return the items of up to ``limit`` predictions, spread evenly over a window's requests.

    The items of each partition are sorted by their random request ids, so those with the lowest
    ids are a random sample of all requests, whatever the traffic of an hour: a bottom-k sample
    (Cohen & Kaplan 2007, https://doi.org/10.1145/1281100.1281133). Rounded up to a page, no more
    is read from a partition than it contributes.

    Args:
        dynamodb: A client; its errors are raised.
        table: A table with the index of the prediction log.
        version: Of the model.
        hours: Whole hours before that of ``now``, whose predictions so far are in the window too.
        now: The end of the window (UTC).
        limit: The greatest number of predictions to return.
    """
    times = [now - timedelta(hours=hour) for hour in range(hours + 1)]
    partitions = [
        _query(dynamodb, table, partition_of(version, time, shard))
        for time in times
        for shard in range(SHARDS)
    ]
    merged = heapq.merge(*partitions, key=lambda item: str(item["id"]["S"]))
    return list(islice(merged, limit))


def create_client() -> "DynamoDBClient":
    """Create a client that gives up after a few seconds."""
    client: DynamoDBClient = make_client(
        "dynamodb", connect=CONNECT_SECONDS, read=READ_SECONDS, attempts=ATTEMPTS
    )
    return client


def _query(dynamodb: "DynamoDBClient", table: str, partition: str) -> Iterator[Item]:
    """Yield the items of a partition of the index, page by page as they are asked for."""
    pages: Any = dynamodb.get_paginator("query").paginate(
        TableName=table,
        IndexName=INDEX,
        KeyConditionExpression="#key = :partition",  # by a placeholder: "bucket" is reserved
        ExpressionAttributeNames={"#key": PARTITION_KEY},
        ExpressionAttributeValues={":partition": {"S": partition}},
        PaginationConfig={"PageSize": PAGE},
    )
    for page in pages:
        yield from page["Items"]
