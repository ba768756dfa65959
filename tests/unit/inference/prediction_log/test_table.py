from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

from inference.model.classifier import Prediction
from inference.prediction_log.table import SHARDS, LoggedPrediction, from_item, to_item
from inference.runtime.settings import read_settings

NOW = datetime(2026, 11, 21, 12, 30, 15, 678_901, UTC)
PREDICTION = Prediction({"Science": 0.9739427215413725, "Health": 0.0260572784586275}, False, 7, 1)
VERSION = "0123456789abcdef"
ENVIRONMENT = {"MODEL_URI": "file:///models", "PREDICTION_TABLE": "predictions"}


def test_an_item_holds_the_prediction_but_not_the_text() -> None:
    # GIVEN a table whose items are kept for two days WHEN a prediction is made an item
    settings = read_settings({**ENVIRONMENT, "PREDICTION_TTL_DAYS": "2"})
    item = to_item("id", 0, NOW, "zebra crossing", PREDICTION, VERSION, settings)
    # THEN it holds the prediction, and only a digest of the text
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


def test_an_item_holds_the_text_if_the_settings_allow_it() -> None:
    settings = read_settings({**ENVIRONMENT, "LOG_TEXT": "true"})
    item = to_item("id", 0, NOW, "zebra crossing", PREDICTION, VERSION, settings)
    assert item["text"] == {"S": "zebra crossing"}


def test_a_prediction_reads_back_from_its_item() -> None:
    # GIVEN the item of a request's third text WHEN it is read
    item = to_item("id", 2, NOW, "zebra", PREDICTION, VERSION, read_settings(ENVIRONMENT))
    # THEN it is the prediction, of that request
    assert from_item(item) == LoggedPrediction("id", "Science", PREDICTION.confidence, 7, 1)


def test_requests_are_spread_over_the_shards_of_an_hour() -> None:
    # GIVEN requests of two texts in one hour WHEN their items are made
    settings = read_settings(ENVIRONMENT)
    shards_of_requests = [
        {to_item(id_, i, NOW, "a", PREDICTION, VERSION, settings)["bucket"]["S"] for i in range(2)}
        for id_ in map(str, range(1000))
    ]
    # THEN each request is in one shard, and no shard has much more than its share
    assert {len(shards) for shards in shards_of_requests} == {1}
    requests = Counter(shard for (shard,) in shards_of_requests)
    assert len(requests) == SHARDS
    assert max(requests.values()) < 1.3 * 1000 / SHARDS


def test_an_item_says_what_became_of_the_text_in_an_attribute_of_the_index() -> None:
    # GIVEN a prediction of a model with thresholds
    abstained = replace(PREDICTION, can_abstain=True, abstention="low_confidence")
    item = to_item("id", 2, NOW, "zebra", abstained, VERSION, read_settings(ENVIRONMENT))
    # WHEN only the attributes of the index are read
    indexed = {key: item[key] for key in ("id", "label", "confidence", "tokens", "unknown_tokens")}
    # THEN the outcome is among them
    read = from_item(indexed)
    assert (read.outcome, read.confidence) == ("low_confidence", PREDICTION.confidence)
    answered = replace(PREDICTION, can_abstain=True)
    item = to_item("id", 2, NOW, "zebra", answered, VERSION, read_settings(ENVIRONMENT))
    assert from_item(item).outcome == "answered"


def test_several_labels_take_the_place_of_the_label() -> None:
    # GIVEN predictions of a model that may give several labels, or none
    settings = read_settings(ENVIRONMENT)
    two = replace(PREDICTION, labels=("Science", "Health"))
    none = replace(PREDICTION, labels=())
    # WHEN they are made items THEN the attribute that the index holds has all of them
    items = [to_item("id", 0, NOW, "a", each, VERSION, settings) for each in (two, none)]
    assert items[0]["label"] == {"L": [{"S": "Science"}, {"S": "Health"}]}
    assert items[1]["label"] == {"L": []}
    # AND they read back
    first, second = map(from_item, items)
    assert (first.label, first.labels) == ("Science", ("Science", "Health"))
    assert (second.label, second.labels, second.all_labels) == ("", (), ())
