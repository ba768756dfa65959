"""The layout of the prediction table in DynamoDB: its items, and the index to sample them by."""

import hashlib
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from inference.runtime.settings import Settings

if TYPE_CHECKING:  # the loader imports numpy and onnxruntime in the meantime
    from inference.model.classifier import Prediction

# With this index a window of the log is read without a scan. A partition holds a shard of a
# model's predictions in one hour, since DynamoDB takes about 1,000 items a second per partition.
# Within it, items are sorted by id, which starts with the random UUID of the request.
INDEX = "by-version-and-hour"
PARTITION_KEY = "bucket"
SHARDS = 8

DAY_SECONDS = 86_400

# In DynamoDB's own form, with a type for each value; boto3's resources read str, Decimal, bool.
Item = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class LoggedPrediction:
    """The part of a logged prediction that drift and comparisons need."""

    request_id: str
    label: str
    confidence: float
    tokens: int  # wordpieces read, [CLS] and [SEP] included
    unknown_tokens: int
    outcome: str | None = None  # see inference/model/abstention.py; None if there are no thresholds
    labels: tuple[str, ...] | None = None  # if the model may give several, or none

    @property
    def all_labels(self) -> tuple[str, ...]:
        """The label or, where a text may have several or none, all of them."""
        return (self.label,) if self.labels is None else self.labels


def partition_of(version: str, hour: datetime, shard: int) -> str:
    """Return the index partition of a model's predictions in the hour of a time (UTC)."""
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
    """Make the item of a prediction for the text at this index of its request."""
    shard = zlib.crc32(request_id.encode()) % SHARDS
    expires_at = int(now.timestamp()) + settings.prediction_ttl_days * DAY_SECONDS
    item: Item = {
        "id": {"S": f"{request_id}#{index}"},
        PARTITION_KEY: {"S": partition_of(version, now, shard)},
        "time": {"S": now.isoformat(timespec="milliseconds")},
        "label": _write_labels(prediction),
        "confidence": _write_confidence(prediction),
        "model_version": {"S": version},
        "text_sha256": {"S": hashlib.sha256(text.encode()).hexdigest()},
        "tokens": {"N": str(prediction.tokens)},
        "unknown_tokens": {"N": str(prediction.unknown_tokens)},
        "truncated": {"BOOL": prediction.truncated},
        "expires_at": {"N": str(expires_at)},  # the table's TTL attribute, seconds since 1970
    }
    if settings.log_text:
        item["text"] = {"S": text}
    return item


def from_item(item: Item) -> LoggedPrediction:
    """Read a prediction from its item."""
    several = item["label"].get("L")
    labels = [item["label"]["S"]] if several is None else [str(one["S"]) for one in several]
    confidence, outcome = item["confidence"], None
    if "M" in confidence:
        confidence, outcome = confidence["M"]["value"], confidence["M"]["outcome"]["S"]
    return LoggedPrediction(
        request_id=item["id"]["S"].rpartition("#")[0],
        label=labels[0] if labels else "",
        confidence=float(confidence["N"]),
        tokens=int(item["tokens"]["N"]),
        unknown_tokens=int(item["unknown_tokens"]["N"]),
        outcome=outcome,
        labels=None if several is None else tuple(labels),
    )


def _write_labels(prediction: "Prediction") -> dict[str, Any]:
    """Write the label or, where a text may have several, the list of them.

    The list takes the label's place, because the index of the table holds that attribute.
    """
    if prediction.labels is None:
        return {"S": prediction.label}
    return {"L": [{"S": label} for label in prediction.labels]}


def _write_confidence(prediction: "Prediction") -> dict[str, Any]:
    """Write the confidence and, where a model may abstain, what became of the text.

    The map takes the number's place, because the index of the table holds that attribute.
    """
    confidence = {"N": str(prediction.confidence)}
    if prediction.outcome is None:
        return confidence
    return {"M": {"value": confidence, "outcome": {"S": prediction.outcome}}}
