"""Answer the messages of an SQS queue; each has the form of a request to ``/predict``.

The answers go to another queue, as JSON with the ``message_id`` of the message, or to S3 as
``MESSAGE_ID.json``. A message that cannot be answered is reported as failed, and only that one:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
SQS delivers it again, and moves it to the dead-letter queue in the end. Since SQS may deliver any
message twice, so may this; both answers have the same id, and feedback on the first one stays.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from inference.api.answers import answer
from inference.api.json_body import decode_json
from inference.api.predictor import Predictor
from inference.api.problems import ProblemError
from inference.api.requests import RequestParser
from inference.errors import TextClassifierError
from inference.runtime.settings import Settings
from inference.runtime.telemetry import logger
from inference.s3_uri import S3Uri

JSON = "application/json"
MAX_REASONS = 10  # in a log line


class ResultsError(TextClassifierError):
    """The settings name no place for results."""


class Results(Protocol):
    """A place for answers."""

    def send(self, message_id: str, body: str) -> None:
        """Deliver the answer to a message."""


class QueueResults:
    """Sends answers to an SQS queue."""

    def __init__(self, url: str) -> None:
        """Create the client."""
        import boto3  # takes 0.1 s, which a function without a queue need not wait for

        self._sqs, self._url = boto3.client("sqs"), url

    def send(self, message_id: str, body: str) -> None:
        """Send the answer to a message."""
        del message_id  # it is in the body
        self._sqs.send_message(QueueUrl=self._url, MessageBody=body)


class BucketResults:
    """Writes answers to S3."""

    def __init__(self, uri: str) -> None:
        """Create the client."""
        import boto3

        self._s3, self._folder = boto3.client("s3"), S3Uri.parse(uri)

    def send(self, message_id: str, body: str) -> None:
        """Write the answer to a message."""
        target = self._folder / f"{message_id}.json"
        self._s3.put_object(
            Bucket=target.bucket, Key=target.key, Body=body.encode(), ContentType=JSON
        )


def find_results(settings: Settings) -> Results:
    """Return the place for results that the settings name.

    Raises:
        ResultsError: They name none.
    """
    if settings.results_uri:
        return BucketResults(settings.results_uri)
    if settings.results_queue_url:
        return QueueResults(settings.results_queue_url)
    raise ResultsError("set RESULTS_QUEUE_URL or RESULTS_URI: answers need a place to go")


class QueueWorker:
    """Answers batches of messages."""

    def __init__(
        self, parser: RequestParser, predictor: Predictor, results: Results, max_texts: int
    ) -> None:
        """Take what answering needs; ``max_texts`` is the most texts in a message."""
        self._parser, self._predictor = parser, predictor
        self._results, self._max_texts = results, max_texts

    def answer_batch(self, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Answer messages, and name those that failed."""
        failed: list[str] = []
        for record in records:
            # After a failure in a FIFO queue, the later messages of the batch would overtake it.
            is_fifo = str(record.get("eventSourceARN")).endswith(".fifo")
            if (failed and is_fifo) or not self._answer(record):
                failed.append(record["messageId"])
        return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}

    def _answer(self, record: Mapping[str, Any]) -> bool:
        """Answer a message; False if that fails."""
        message_id = record["messageId"]
        try:
            content = decode_json(record["body"].encode())
            request = self._parser.read(content, self._max_texts)
            classified = self._predictor.classify(request, message_id, may_repeat=True)
            body = answer(classified).to_dict()
            self._results.send(message_id, json.dumps({"message_id": message_id, **body}))
        except ProblemError as error:
            reasons = [error.detail, *(one.message for one in error.errors)]
            logger.warning("message refused", message_id=message_id, reasons=reasons[:MAX_REASONS])
            return False
        except Exception:  # the other messages of the batch must not fail with it
            logger.exception("message not answered", message_id=message_id)
            return False
        return True
