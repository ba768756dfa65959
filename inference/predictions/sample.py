"""A random sample of the predictions that a model made in the last hours, from their log."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from inference.predictions.log import INDEX, SHARDS, Item, bucket

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PAGE = 100  # items in one call
CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0  # without a byte
ATTEMPTS = 5


@dataclass(frozen=True)
class Logged:
    """What the log holds of one prediction."""

    request_id: str
    label: str
    confidence: float
    tokens: int  # wordpieces read, [CLS] and [SEP] included
    unknown_tokens: int


def sample(
    dynamodb: "DynamoDBClient", table: str, version: str, hours: int, now: datetime, limit: int
) -> list[Logged]:
    """At most ``limit`` predictions, spread evenly over the window's requests.

    The items of each partition come in the order of their random request ids, so those with the
    least ids are a random sample of all requests, whatever the traffic of an hour: a bottom-k
    sample (Cohen & Kaplan 2007, https://doi.org/10.1145/1281100.1281133). No more is read of a
    partition than it contributes, to the next page.

    Args:
        dynamodb: a client; its errors are raised.
        table: with the index of ``prediction_log``.
        version: of the model.
        hours: whole hours before that of ``now``, which is in the window so far.
        now: the window's end (UTC).
        limit: more predictions are not read.
    """
    moments = [now - timedelta(hours=hour) for hour in range(hours + 1)]
    partitions = [
        _items(dynamodb, table, bucket(version, moment, shard))
        for moment in moments
        for shard in range(SHARDS)
    ]
    merged = heapq.merge(*partitions, key=lambda item: str(item["id"]["S"]))
    return [_logged(item) for item in islice(merged, limit)]


def client() -> "DynamoDBClient":
    """A client that gives up in time."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    return boto3.client("dynamodb", config=config)


def _items(dynamodb: "DynamoDBClient", table: str, partition: str) -> Iterator[Item]:
    pages: Any = dynamodb.get_paginator("query").paginate(
        TableName=table,
        IndexName=INDEX,
        KeyConditionExpression="#bucket = :bucket",  # a word of DynamoDB's own
        ExpressionAttributeNames={"#bucket": "bucket"},
        ExpressionAttributeValues={":bucket": {"S": partition}},
        PaginationConfig={"PageSize": PAGE},
    )
    for page in pages:
        yield from page["Items"]


def _logged(item: Item) -> Logged:
    return Logged(
        request_id=item["id"]["S"].rpartition("#")[0],
        label=item["label"]["S"],
        confidence=float(item["confidence"]["N"]),
        tokens=int(item["tokens"]["N"]),
        unknown_tokens=int(item["unknown_tokens"]["N"]),
    )
