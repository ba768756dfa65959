"""One DynamoDB item a prediction, for audits and for measuring drift.

Lambda freezes the environment as soon as the answer is out, so nothing can be written behind
it. The items are written before it, within a set time; those that are not in the table by then
are counted lost. Neither a failure nor slowness costs more than that time, and never the answer.
"""

import hashlib
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from inference.runtime.settings import Settings
from inference.runtime.telemetry import predictions_lost

if TYPE_CHECKING:  # model.py imports it while the bundle comes
    from inference.model.classifier import Prediction

BATCH = 25  # items; DynamoDB takes no more in one call
ATTEMPTS = 3  # of one call
PAUSE_SECONDS = 0.05  # before what DynamoDB had no capacity for is sent again
DAY_SECONDS = 86_400

# The index that reads a window of the log without a scan. Its partitions are a model's hour,
# in shards, as DynamoDB takes some 1,000 items a second in one partition; in each, items are in
# the order of their id, which begins with the random UUID of the request.
INDEX = "by-version-and-hour"
SHARDS = 8

# In DynamoDB's own form, a type to each value; boto3's resources read it as str, Decimal, bool.
Item = dict[str, dict[str, Any]]


class PredictionLog:
    """The table that the settings name."""

    def __init__(self, settings: Settings) -> None:
        """Make the client; it connects when it first writes."""
        import boto3  # 0.1 s that a function without this log need not wait for
        from botocore.config import Config

        self._settings = settings
        self._seconds = settings.prediction_timeout_ms / 1000
        config = Config(
            connect_timeout=self._seconds,
            read_timeout=self._seconds,
            # Retries after 50 and 100 ms; the other modes may wait for a second.
            retries={"mode": "legacy", "total_max_attempts": ATTEMPTS},
        )
        self._client = boto3.client("dynamodb", config=config)
        # botocore's timeouts are of a connection or a byte, not of a call. One thread, so that
        # a call that is given up and yet goes on is the only one that does.
        self._writer = ThreadPoolExecutor(1)

    def write(
        self,
        request_id: str,
        texts: Sequence[str],
        predictions: "Sequence[Prediction]",
        version: str,
    ) -> None:
        """Write the predictions of one request; a loss is logged and counted, not raised."""
        now = datetime.now(UTC)
        pending = [
            to_item(request_id, index, now, text, prediction, version, self._settings)
            for index, (text, prediction) in enumerate(zip(texts, predictions, strict=True))
        ]
        cause = f"not written within {self._settings.prediction_timeout_ms} ms"
        writing = self._writer.submit(self._write, pending, time.monotonic() + self._seconds)
        try:
            writing.result(self._seconds)
        except TimeoutError:
            writing.cancel()
        except Exception as error:  # the answer does not depend on it, whatever it is
            cause = str(error)
        if pending:
            predictions_lost(len(pending), cause)

    def _write(self, pending: list[Item], deadline: float) -> None:
        """Write items, and take those that are written out of the list."""
        while pending and time.monotonic() < deadline:
            puts: Any = [{"PutRequest": {"Item": item}} for item in pending[:BATCH]]
            answer = self._client.batch_write_item(
                RequestItems={self._settings.prediction_table: puts}
            )
            unprocessed: Any = answer["UnprocessedItems"].get(self._settings.prediction_table, [])
            pending[:BATCH] = [put["PutRequest"]["Item"] for put in unprocessed]
            if unprocessed:
                time.sleep(PAUSE_SECONDS)


def bucket(version: str, hour: datetime, shard: int) -> str:
    """The partition of the index for a model's predictions in the hour of a moment (UTC)."""
    return f"{version}#{hour:%Y-%m-%dT%H}#{shard}"


def to_item(
    request_id: str,
    index: int,
    now: datetime,
    text: str,
    prediction: "Prediction",
    version: str,
    settings: Settings,
) -> Item:
    """The item of one prediction: the text at this index of the request."""
    expires_at = int(now.timestamp()) + settings.prediction_ttl_days * DAY_SECONDS
    item: Item = {
        "id": {"S": f"{request_id}#{index}"},
        "bucket": {"S": bucket(version, now, zlib.crc32(request_id.encode()) % SHARDS)},
        "time": {"S": now.isoformat(timespec="milliseconds")},
        "label": {"S": prediction.label},
        "confidence": {"N": str(prediction.confidence)},
        "model_version": {"S": version},
        "text_sha256": {"S": hashlib.sha256(text.encode()).hexdigest()},
        "tokens": {"N": str(prediction.tokens)},
        "unknown_tokens": {"N": str(prediction.unknown_tokens)},
        "truncated": {"BOOL": prediction.truncated},
        "expires_at": {"N": str(expires_at)},  # seconds since 1970: the table's TTL attribute
    }
    if settings.log_text:
        item["text"] = {"S": text}
    return item
