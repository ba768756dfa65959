import json
from dataclasses import replace

import msgspec

from inference.api.answers import Answer, answer, answer_one
from inference.api.predictor import Classified
from inference.api.problems import FieldError
from inference.api.requests import PredictRequest, Text
from inference.model.classifier import Prediction
from inference.prediction_log.prediction_id import PredictionId

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
    assert answer(Classified(ONE, [SCIENCE], VERSION)).to_json() == expected
    assert answer_one(SCIENCE, VERSION).to_json() == expected


def test_a_list_is_answered_in_its_order() -> None:
    many = answer(Classified(MANY, [SCIENCE, HEALTH], VERSION)).to_dict()
    assert [one["predicted_label"] for one in many["predictions"]] == ["Science", "Health"]
    assert [one["truncated"] for one in many["predictions"]] == [False, True]
    assert many["model_version"] == VERSION


def test_an_error_takes_the_place_of_its_answer() -> None:
    error = FieldError(field="inputs.0", message="Too long")
    many = answer(Classified(MANY, [error, HEALTH], VERSION)).to_dict()
    assert many["predictions"][0] == {"error": {"field": "inputs.0", "message": "Too long"}}
    assert many["predictions"][1]["predicted_label"] == "Health"


def test_a_prediction_that_is_kept_has_its_id() -> None:
    # GIVEN predictions of which the second could not be kept
    id_ = PredictionId(VERSION, "request", 0)
    # WHEN they are answered THEN only the first has an id
    many = answer(Classified(MANY, [SCIENCE, HEALTH], VERSION, [id_, None])).to_dict()
    assert many["predictions"][0]["prediction_id"] == f"{VERSION}.request.0"
    assert "prediction_id" not in many["predictions"][1]


def test_the_most_probable_labels_come_first_if_only_some_are_wanted() -> None:
    shares = {
        top_k: answer(
            Classified(PredictRequest([Text("a")], False, top_k), [HEALTH], VERSION)
        ).to_dict()["probabilities"]
        for top_k in (1, 2, 9)
    }
    assert list(shares[2]) == ["Health", "Science"]
    assert shares[1] == {"Health": 0.75}
    assert shares[9] == HEALTH.probabilities


def test_clients_may_get_fields_that_they_do_not_know() -> None:
    schema = str(msgspec.json.schema(Answer))
    assert "'additionalProperties': False" not in schema


def test_an_explanation_is_answered_in_the_order_of_the_text() -> None:
    # GIVEN an explained prediction with a word that was not read
    explained = replace(SCIENCE, explanation=(("Mars", 0.5), ("in", -0.25), ("2026", None)))
    # WHEN it is answered THEN the words are pairs, and null is kept
    expected = [["Mars", 0.5], ["in", -0.25], ["2026", None]]
    assert json.loads(answer_one(explained, VERSION).to_json())["explanation"] == expected
    many = answer(Classified(MANY, [explained, HEALTH], VERSION)).to_dict()
    assert many["predictions"][0]["explanation"] == expected
    # AND one that was not asked for is left out, not null
    assert "explanation" not in many["predictions"][1]


def test_the_explanation_of_a_text_without_words_is_empty() -> None:
    assert answer_one(replace(SCIENCE, explanation=()), VERSION).to_dict()["explanation"] == []


def test_an_answer_says_whether_to_act_on_it_if_the_model_has_thresholds() -> None:
    # GIVEN a model with thresholds that answers one text and abstains from another
    answered = replace(SCIENCE, can_abstain=True)
    abstained = replace(HEALTH, can_abstain=True, abstention="out_of_scope")
    many = answer(Classified(MANY, [answered, abstained], VERSION)).to_dict()
    # THEN the label stays, and a reason is given where there is one
    first, second = many["predictions"]
    assert (first["abstained"], "abstention_reason" in first) == (False, False)
    assert (second["abstained"], second["abstention_reason"]) == (True, "out_of_scope")
    assert second["predicted_label"] == "Health"


BOTH = replace(SCIENCE, probabilities={"Science": 0.6, "Health": 0.8}, labels=("Health", "Science"))


def test_several_labels_are_a_field_of_their_own() -> None:
    # GIVEN a text with two labels WHEN it is answered, with the probability of one
    one = PredictRequest([Text("a")], is_list=False, top_k=1)
    answered = answer(Classified(one, [BOTH], VERSION)).to_dict()
    # THEN it has both, and the first is what clients of one label see
    assert answered["predicted_labels"] == ["Health", "Science"]
    assert (answered["predicted_label"], answered["confidence"]) == ("Health", 0.8)
    assert answered["probabilities"] == {"Health": 0.8}


def test_a_text_without_any_label_still_has_a_most_probable_one() -> None:
    answered = answer_one(replace(SCIENCE, labels=()), VERSION).to_dict()
    assert answered["predicted_labels"] == []
    assert (answered["predicted_label"], answered["confidence"]) == ("Science", 0.75)
