from collections import Counter
from datetime import UTC, datetime

from inference.model.classifier import Prediction
from inference.predictions.log import SHARDS, to_item
from inference.runtime.settings import read_settings

NOW = datetime(2026, 11, 21, 12, 30, 15, 678_901, UTC)
PREDICTION = Prediction({"Science": 0.9739427215413725, "Health": 0.0260572784586275}, False, 7, 1)
VERSION = "0123456789abcdef"
ENVIRONMENT = {"MODEL_URI": "file:///models", "PREDICTION_TABLE": "predictions"}


def test_an_item_holds_the_prediction_and_not_the_text() -> None:
    # GIVEN a table whose items are kept for two days WHEN a prediction is made an item
    settings = read_settings({**ENVIRONMENT, "PREDICTION_TTL_DAYS": "2"})
    item = to_item("id", 0, NOW, "zebra crossing", PREDICTION, VERSION, settings)
    # THEN it says what was found, and of the text no more than its digest
    assert item == {
        "id": {"S": "id#0"},
        "bucket": {"S": f"{VERSION}#2026-11-21T12#0"},
        "time": {"S": "2026-11-21T12:30:15.678+00:00"},
        "label": {"S": "Science"},
        "confidence": {"N": "0.9739427215413725"},
        "model_version": {"S": VERSION},
        "text_sha256": {"S": "c8412635b84f5973d623125c8be58579f3d48ca5e0f15f7b555e3e82de07d385"},
        "tokens": {"N": "7"},
        "unknown_tokens": {"N": "1"},
        "truncated": {"BOOL": False},
        "expires_at": {"N": str(int(datetime(2026, 11, 23, 12, 30, 15, tzinfo=UTC).timestamp()))},
    }


def test_an_item_holds_the_text_if_a_setting_says_so() -> None:
    settings = read_settings({**ENVIRONMENT, "LOG_TEXT": "true"})
    item = to_item("id", 0, NOW, "zebra crossing", PREDICTION, VERSION, settings)
    assert item["text"] == {"S": "zebra crossing"}


def test_the_items_of_an_hour_are_spread_over_the_shards_and_those_of_a_request_are_not() -> None:
    # GIVEN requests of two texts in one hour WHEN their items are made
    settings = read_settings(ENVIRONMENT)
    buckets = [
        {to_item(id_, i, NOW, "a", PREDICTION, VERSION, settings)["bucket"]["S"] for i in range(2)}
        for id_ in map(str, range(1000))
    ]
    # THEN a request is in one shard, and none has much more than its share
    assert {len(of_request) for of_request in buckets} == {1}
    found = Counter(shard for (shard,) in buckets)
    assert len(found) == SHARDS
    assert max(found.values()) < 1.3 * 1000 / SHARDS
