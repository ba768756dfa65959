"""Log each prediction as a DynamoDB item, for audits and for measuring drift.

Lambda freezes the environment as soon as it has the answer, so nothing can be written afterwards.
The items are written before, within a fixed time; those that are not in the table by then are
counted as lost. Neither failures nor delays cost more than that time, and never the answer.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from inference.prediction_log.feedback import LABEL
from inference.prediction_log.prediction_id import PredictionId
from inference.prediction_log.table import Item, to_item
from inference.runtime.settings import Settings
from inference.runtime.telemetry import record_lost_predictions

if TYPE_CHECKING:  # the loader imports numpy and onnxruntime in the meantime
    from inference.model.classifier import Prediction

BATCH = 25  # items; DynamoDB takes no more in one call
ATTEMPTS = 3  # per call
# Why DynamoDB does not update an item of a transaction: the client has given feedback about it.
HAS_FEEDBACK = "ConditionalCheckFailed"
PAUSE_SECONDS = 0.05  # before sending again what DynamoDB had no capacity for


class PredictionLog:
    """Writes to the table that the settings name."""

    def __init__(self, settings: Settings) -> None:
        """Create the client, and connect while the function loads its model."""
        import boto3  # takes 0.1 s, which a function without a log need not wait for
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
        # botocore's timeouts are per connection or byte, not per call. With a single thread, no
        # more than one abandoned call can still be running.
        self._writer = ThreadPoolExecutor(1)
        self._writer.submit(self._connect)

    def _connect(self) -> None:
        """Open the connection that the first write uses, which would pay for it within its time.

        A plain GET, to which DynamoDB answers that it is healthy, needs no permission.
        """
        from botocore.awsrequest import AWSRequest

        client: Any = self._client
        request = AWSRequest(method="GET", url=client.meta.endpoint_url).prepare()
        with suppress(Exception):  # the writes themselves report what is wrong
            client._endpoint.http_session.send(request)

    def write(
        self,
        request_id: str,
        texts: Sequence[str],
        predictions: "Sequence[Prediction]",
        version: str,
        *,
        may_repeat: bool = False,
    ) -> list[PredictionId | None]:
        """Write the predictions of a request; losses are recorded, not raised.

        Args:
            request_id: The id of the request.
            texts: Its texts.
            predictions: What the model says about them.
            version: The version of the model.
            may_repeat: Whether the request may have been answered before, under the same id. Its
                items are then written so that feedback about them stays, which costs twice as much.

        Returns:
            The id of each prediction, and None for those that were lost.
        """
        now = datetime.now(UTC)
        pending = [
            to_item(request_id, index, now, text, prediction, version, self._settings)
            for index, (text, prediction) in enumerate(zip(texts, predictions, strict=True))
        ]
        cause = f"not written within {self._settings.prediction_timeout_ms} ms"
        write = self._write_again if may_repeat else self._write
        writing = self._writer.submit(write, pending, time.monotonic() + self._seconds)
        try:
            writing.result(self._seconds)
        except TimeoutError:
            writing.cancel()
        except Exception as error:  # no failure of the log may cost the answer
            cause = str(error)
        lost = {item["id"]["S"] for item in list(pending)}  # the writer may still shorten the list
        if lost:
            record_lost_predictions(len(lost), cause)
        ids = [PredictionId(version, request_id, index) for index in range(len(texts))]
        return [None if one.key in lost else one for one in ids]

    def _write(self, pending: list[Item], deadline: float) -> None:
        """Write items, removing those that are written from the list."""
        table = self._settings.prediction_table
        while pending and time.monotonic() < deadline:
            puts: Any = [{"PutRequest": {"Item": item}} for item in pending[:BATCH]]
            response = self._client.batch_write_item(RequestItems={table: puts})
            unprocessed: Any = response["UnprocessedItems"].get(table, [])
            pending[:BATCH] = [put["PutRequest"]["Item"] for put in unprocessed]
            if unprocessed:
                time.sleep(PAUSE_SECONDS)

    def _write_again(self, pending: list[Item], deadline: float) -> None:
        """Write items that may be in the table, removing them from the list.

        An item with feedback stays as it is. BatchWriteItem would replace it, and takes no
        conditions; a transaction does, and says for each item why it was cancelled:
        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
        """
        while pending and time.monotonic() < deadline:
            batch = pending[:BATCH]
            updates: Any = [self._to_update(item) for item in batch]
            left: list[Item] = []
            try:
                self._client.transact_write_items(TransactItems=updates)
            except self._client.exceptions.TransactionCanceledException as error:
                reasons = error.response["CancellationReasons"]
                left = [
                    item
                    for item, reason in zip(batch, reasons, strict=True)
                    if reason.get("Code") != HAS_FEEDBACK
                ]
            pending[:BATCH] = left
            if len(left) == len(batch):
                time.sleep(PAUSE_SECONDS)

    def _to_update(self, item: Item) -> dict[str, Any]:
        """Return an update that writes an item, unless it has feedback.

        The function may update items for feedback, so it needs no further permission.
        """
        names = [name for name in item if name != "id"]
        return {
            "Update": {
                "TableName": self._settings.prediction_table,
                "Key": {"id": item["id"]},
                "ConditionExpression": "attribute_not_exists(#feedback)",
                "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in names),
                "ExpressionAttributeNames": {f"#{n}": n for n in names} | {"#feedback": LABEL},
                "ExpressionAttributeValues": {f":{name}": item[name] for name in names},
            }
        }
