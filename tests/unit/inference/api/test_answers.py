from inference.api.answers import ManyAnswers, answer, answer_one, answer_text
from inference.api.predictor import Classified
from inference.api.problems import FieldError
from inference.api.requests import PredictRequest, Text
from inference.model.classifier import Prediction

SCIENCE = Prediction({"Science": 0.75, "Health": 0.25}, truncated=False, tokens=7)
HEALTH = Prediction({"Science": 0.25, "Health": 0.75}, truncated=True, tokens=64)
VERSION = "0123456789abcdef"
ONE = PredictRequest([Text("a")], is_list=False)
MANY = PredictRequest([Text("a"), Text("b")], is_list=True)


def test_one_text_is_answered_with_an_object() -> None:
    expected = (
        '{"predicted_label":"Science","confidence":0.75,'
        '"probabilities":{"Science":0.75,"Health":0.25},"truncated":false,'
        '"model_version":"0123456789abcdef"}'
    )
    assert answer(Classified(ONE, [SCIENCE], VERSION)).model_dump_json() == expected
    assert answer_one(SCIENCE, VERSION).model_dump_json() == expected


def test_a_list_is_answered_in_its_order() -> None:
    many = answer(Classified(MANY, [SCIENCE, HEALTH], VERSION)).model_dump()
    assert [one["predicted_label"] for one in many["predictions"]] == ["Science", "Health"]
    assert [one["truncated"] for one in many["predictions"]] == [False, True]
    assert many["model_version"] == VERSION


def test_an_error_takes_the_place_of_its_answer() -> None:
    error = FieldError(field="inputs.0", message="Too long")
    many = answer(Classified(MANY, [error, HEALTH], VERSION)).model_dump()
    assert many["predictions"][0] == {"error": {"field": "inputs.0", "message": "Too long"}}
    assert many["predictions"][1]["predicted_label"] == "Health"


def test_the_most_probable_labels_come_first_if_only_some_are_wanted() -> None:
    assert list(answer_text(HEALTH, 2).probabilities) == ["Health", "Science"]
    assert answer_text(HEALTH, 1).probabilities == {"Health": 0.75}
    assert answer_text(HEALTH, 9).probabilities == HEALTH.probabilities


def test_clients_may_get_fields_that_they_do_not_know() -> None:
    schema = str(ManyAnswers.model_json_schema(mode="serialization"))
    assert "'additionalProperties': False" not in schema
