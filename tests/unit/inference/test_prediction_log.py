from datetime import UTC, datetime

from inference.classifier import Prediction
from inference.prediction_log import to_item
from inference.settings import read_settings

NOW = datetime(2026, 11, 21, 12, 30, 15, 678_901, UTC)
PREDICTION = Prediction({"Science": 0.9739427215413725, "Health": 0.0260572784586275}, False, 7)
VERSION = "0123456789abcdef"
ENVIRONMENT = {"MODEL_URI": "file:///models", "PREDICTION_TABLE": "predictions"}


def test_an_item_holds_the_prediction_and_not_the_text() -> None:
    # GIVEN a table whose items are kept for two days WHEN a prediction is made an item
    settings = read_settings({**ENVIRONMENT, "PREDICTION_TTL_DAYS": "2"})
    item = to_item("id#0", NOW, "zebra crossing", PREDICTION, VERSION, settings)
    # THEN it says what was found, and of the text no more than its digest
    assert item == {
        "id": {"S": "id#0"},
        "time": {"S": "2026-11-21T12:30:15.678+00:00"},
        "label": {"S": "Science"},
        "confidence": {"N": "0.9739427215413725"},
        "model_version": {"S": VERSION},
        "text_sha256": {"S": "c8412635b84f5973d623125c8be58579f3d48ca5e0f15f7b555e3e82de07d385"},
        "tokens": {"N": "7"},
        "truncated": {"BOOL": False},
        "expires_at": {"N": str(int(datetime(2026, 11, 23, 12, 30, 15, tzinfo=UTC).timestamp()))},
    }


def test_an_item_holds_the_text_if_a_setting_says_so() -> None:
    settings = read_settings({**ENVIRONMENT, "LOG_TEXT": "true"})
    item = to_item("id#0", NOW, "zebra crossing", PREDICTION, VERSION, settings)
    assert item["text"] == {"S": "zebra crossing"}
