"""Store what clients say about predictions, in the items of the predictions, and read it again.

Each prediction has one label from feedback: the last one that was sent. Sending the same again
changes nothing but the time.

A sparse index has the items with feedback alone, by the day on which it came. DynamoDB takes about
1,000 items a second per day, which is far more than people send.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from inference.aws import make_client
from inference.errors import TextClassifierError
from inference.prediction_log.prediction_id import PredictionId
from inference.prediction_log.table import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "by-day-of-feedback"
NO_INDEX = ("ValidationException", "ResourceNotFoundException")  # of DynamoDB, and of moto
DAY, TIME, LABEL = "feedback_day", "feedback_time", "feedback_label"

SECONDS = 5.0  # for storing feedback, whatever the table is waiting for
CONNECT_SECONDS = 1.0
READ_SECONDS = 2.0  # without receiving a byte
ATTEMPTS = 3
READ_BATCH = 100  # keys; DynamoDB takes no more in one call
WRITERS = 4  # threads, of which calls that were given up may still hold some

# One label, or those of a model that may give a text several.
Labels = str | tuple[str, ...]


class UnknownPredictionError(Exception):
    """The table has no such prediction: it never had, or the prediction has expired."""


class FeedbackUnavailableError(Exception):
    """The table cannot store feedback now; the message says why."""


class MissingIndexError(TextClassifierError):
    """The table is older than feedback; the message says what to do."""


@dataclass(frozen=True)
class StoredFeedback:
    """What an item said before feedback was stored in it."""

    predicted: Labels
    previous: Labels | None  # the label of earlier feedback

    def agrees_with(self, label: Labels) -> bool:
        """Whether the model predicted this."""
        return _are_equal(self.predicted, label)

    def repeats(self, label: Labels) -> bool:
        """Whether earlier feedback said the same."""
        return self.previous is not None and _are_equal(self.previous, label)


@dataclass(frozen=True)
class Feedback:
    """A prediction, and the label that a client gave its text."""

    key: str  # of the item
    time: datetime  # when the feedback came
    version: str  # of the model that predicted
    predicted: Labels
    label: Labels

    @property
    def agrees(self) -> bool:
        """Whether the model was right."""
        return _are_equal(self.predicted, self.label)

    @property
    def prediction_id(self) -> PredictionId:
        """The id that the client got."""
        return PredictionId.from_key(self.key, self.version)


class FeedbackStore:
    """Stores feedback in a prediction table."""

    def __init__(self, table: str) -> None:
        """Create the client."""
        self._table = table
        self._client: DynamoDBClient = make_client(
            "dynamodb", connect=CONNECT_SECONDS, read=READ_SECONDS, attempts=ATTEMPTS
        )
        # botocore's timeouts are per connection or byte, not per call.
        self._writers = ThreadPoolExecutor(WRITERS)

    def store(self, prediction: PredictionId, label: Labels) -> StoredFeedback:
        """Store the label of a prediction's text, in place of one that was stored before.

        Raises:
            UnknownPredictionError: There is no such prediction, or it has expired.
            FeedbackUnavailableError: The table refuses or does not answer in time; storing it
                again may help, and does no harm if this call, too, arrives late.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        writing = self._writers.submit(self._update, prediction, label, datetime.now(UTC))
        try:
            item = writing.result(SECONDS)
        except TimeoutError:
            writing.cancel()
            raise FeedbackUnavailableError(f"not written within {SECONDS:g} s") from None
        except self._client.exceptions.ConditionalCheckFailedException:
            raise UnknownPredictionError from None
        except (BotoCoreError, ClientError) as error:
            raise FeedbackUnavailableError(str(error)) from error
        previous = _read_labels(item[LABEL]) if LABEL in item else None
        return StoredFeedback(_read_labels(item["label"]), previous)

    def _update(self, prediction: PredictionId, label: Labels, now: datetime) -> Item:
        """Update an item, and return it as it was before, which costs no read."""
        response = self._client.update_item(
            TableName=self._table,
            Key={"id": {"S": prediction.key}},
            # DynamoDB may take days to delete an item that has expired, and creates missing ones.
            ConditionExpression="model_version = :version AND expires_at > :now",
            UpdateExpression="SET #label = :label, #day = :day, #time = :time",
            ExpressionAttributeNames={"#label": LABEL, "#day": DAY, "#time": TIME},
            ExpressionAttributeValues={
                ":version": {"S": prediction.version},
                ":now": {"N": str(int(now.timestamp()))},
                ":label": _write_labels(label),
                ":day": {"S": _day_of(now)},
                ":time": {"S": _format(now)},
            },
            ReturnValues="ALL_OLD",
        )
        item: Any = response.get("Attributes", {})
        return dict(item)


def read_feedback(
    dynamodb: "DynamoDBClient", table: str, since: datetime, until: datetime, version: str = ""
) -> Iterator[Feedback]:
    """Yield the feedback that came in a period (UTC), the earliest first.

    Args:
        dynamodb: A client; its errors are raised.
        table: A table with the index of feedback.
        since: The start of the period.
        until: Its end.
        version: Of the model that predicted; by default, any.

    Raises:
        MissingIndexError: The table has no such index.
    """
    for offset in range((until.date() - since.date()).days + 1):
        day = _day_of(since + timedelta(days=offset))
        for item in _query_day(dynamodb, table, day, (_format(since), _format(until))):
            feedback = _from_item(item)
            if version in ("", feedback.version):
                yield feedback


def read_texts(
    dynamodb: "DynamoDBClient", table: str, keys: Sequence[str], now: datetime
) -> dict[str, str | None]:
    """Return the text of each item, by its key; None where the item has none.

    Items that have expired are left out, whether DynamoDB has already deleted them or not.
    """
    texts: dict[str, str | None] = {}
    unique = list(dict.fromkeys(keys))  # DynamoDB refuses a call that has a key twice
    for start in range(0, len(unique), READ_BATCH):
        wanted: Any = {
            table: {
                "Keys": [{"id": {"S": key}} for key in unique[start : start + READ_BATCH]],
                "ProjectionExpression": "id, #text, expires_at",
                "ExpressionAttributeNames": {"#text": "text"},  # a reserved word
            }
        }
        while wanted:
            response: Any = dynamodb.batch_get_item(RequestItems=wanted)
            for item in response["Responses"].get(table, []):
                if int(item["expires_at"]["N"]) > now.timestamp():
                    texts[item["id"]["S"]] = item.get("text", {}).get("S")
            wanted = response["UnprocessedKeys"]
    return texts


def _query_day(
    dynamodb: "DynamoDBClient", table: str, day: str, times: tuple[str, str]
) -> Iterator[Item]:
    """Yield the items of a day, page by page as they are asked for."""
    pages: Any = dynamodb.get_paginator("query").paginate(
        TableName=table,
        IndexName=INDEX,
        KeyConditionExpression="#day = :day AND #time BETWEEN :since AND :until",
        ExpressionAttributeNames={"#day": DAY, "#time": TIME},
        ExpressionAttributeValues={
            ":day": {"S": day},
            ":since": {"S": times[0]},
            ":until": {"S": times[1]},
        },
    )
    try:
        for page in pages:
            yield from page["Items"]
    except dynamodb.exceptions.ClientError as error:
        # A missing index has no error code of its own. Errors about permissions and throttling
        # name the index, too.
        problem = error.response["Error"]
        if problem.get("Code") in NO_INDEX and INDEX in problem.get("Message", ""):
            raise MissingIndexError(
                f"{table} has no index {INDEX}: deploy this version's template to add it"
            ) from error
        raise


def _from_item(item: Item) -> Feedback:
    return Feedback(
        key=item["id"]["S"],
        time=datetime.fromisoformat(item[TIME]["S"]),
        version=item["model_version"]["S"],
        predicted=_read_labels(item["label"]),
        label=_read_labels(item[LABEL]),
    )


def _read_labels(value: dict[str, Any]) -> Labels:
    return str(value["S"]) if "S" in value else tuple(str(one["S"]) for one in value["L"])


def _write_labels(labels: Labels) -> dict[str, Any]:
    if isinstance(labels, str):
        return {"S": labels}
    return {"L": [{"S": label} for label in labels]}  # a set of DynamoDB cannot be empty


def _are_equal(one: Labels, other: Labels) -> bool:
    """Tell whether two answers are the same, in whatever order they name their labels."""
    return _as_set(one) == _as_set(other)


def _as_set(labels: Labels) -> frozenset[str]:
    return frozenset([labels] if isinstance(labels, str) else labels)


def _day_of(time: datetime) -> str:
    return f"{time:%Y-%m-%d}"


def _format(time: datetime) -> str:
    """Write a time so that the order of texts is that of times."""
    return time.isoformat(timespec="milliseconds")
