from inference.api.answers import answer_many, answer_one
from inference.model.classifier import Prediction

SCIENCE = Prediction({"Science": 0.75, "Health": 0.25}, truncated=False, tokens=7)
HEALTH = Prediction({"Science": 0.25, "Health": 0.75}, truncated=True, tokens=64)
VERSION = "0123456789abcdef"


def test_one_text_is_answered_with_an_object() -> None:
    assert answer_one(SCIENCE, VERSION).model_dump_json() == (
        '{"predicted_label":"Science","confidence":0.75,'
        '"probabilities":{"Science":0.75,"Health":0.25},"truncated":false,'
        '"model_version":"0123456789abcdef"}'
    )


def test_a_list_is_answered_in_its_order() -> None:
    answer = answer_many([SCIENCE, HEALTH], VERSION)
    assert [one.predicted_label for one in answer.predictions] == ["Science", "Health"]
    assert [one.truncated for one in answer.predictions] == [False, True]
    assert answer.model_version == VERSION
