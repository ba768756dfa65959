"""Read the texts of recent requests from the prediction log."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from inference.errors import TextClassifierError
from inference.prediction_log.feedback import read_texts
from inference.prediction_log.sample import sample_items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_TEXTS = 10_000  # read from a window


class NoTextsError(TextClassifierError):
    """The log has no texts; the message says what to do."""


@dataclass(frozen=True)
class LoggedTexts:
    """A sample of the texts that a model was asked about."""

    texts: list[str]
    without_text: int  # predictions that were logged without their text, or have expired


def read_logged_texts(
    dynamodb: "DynamoDBClient", table: str, version: str, hours: int, now: datetime
) -> LoggedTexts:
    """Read the texts that a model answered in the last hours, or a random sample of many.

    Raises:
        NoTextsError: there are no predictions, or none has its text.
    """
    items = sample_items(dynamodb, table, version, hours, now, MOST_TEXTS)
    if not items:
        raise NoTextsError(
            f"{table} has no predictions of {version} from the last {hours} hours: try more --hours"
        )
    keys = [str(item["id"]["S"]) for item in items]
    of_keys = read_texts(dynamodb, table, keys, now)
    texts = [text for key in keys if (text := of_keys.get(key)) is not None]
    if not texts:
        raise NoTextsError(
            f"{table} has {len(items):,} predictions and none of their texts: deploy the stack "
            "with LogText=true, and texts that are classified from then on can be chosen"
        )
    return LoggedTexts(texts, len(items) - len(texts))
