import json
from typing import Any

import pytest

from inference.api.hugging_face import answer, parse, require_function
from inference.api.predictor import Predictor
from inference.api.problems import ProblemError
from inference.api.requests import RequestParser
from inference.model.labelling import Labelling


def ask(content: Any, parser: RequestParser, predictor: Predictor) -> list[list[dict[str, Any]]]:
    answered: list[list[dict[str, Any]]] = json.loads(
        answer(predictor.classify(parse(content, parser, 3), "id"))
    )
    return answered


def test_the_labels_of_a_text_are_a_list_with_the_best_first(
    parser: RequestParser, predictor: Predictor
) -> None:
    (ranking,) = ask({"inputs": "Fed holds rates"}, parser, predictor)
    assert [set(one) for one in ranking] == [{"label", "score"}] * 4
    scores = [one["score"] for one in ranking]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1)


def test_each_text_of_a_list_has_its_own_list(parser: RequestParser, predictor: Predictor) -> None:
    texts = ["Fed holds rates", "New vaccine halves hospital stays"]
    together = ask({"inputs": texts, "parameters": {"top_k": 1}}, parser, predictor)
    alone = [ask({"inputs": text}, parser, predictor)[0][:1] for text in texts]
    assert [one[0]["label"] for one in together] == [one[0]["label"] for one in alone]
    assert [len(one) for one in together] == [1, 1]


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        {},
        {"top_k": None, "function_to_apply": "softmax"},
        {"return_all_scores": True},
        {"explain": True},
        {"truncation": False},
    ],
)
def test_parameters_that_change_nothing_are_accepted(
    parser: RequestParser, parameters: Any
) -> None:
    content = {"inputs": "a", "parameters": parameters, "options": {"wait_for_model": True}}
    assert parse(content, parser, 3).texts == ["a"]


def test_a_long_text_is_cut_if_the_parameters_say_so(parser: RequestParser) -> None:
    request = parse({"inputs": "a" * 300, "parameters": {"truncation": True}}, parser, 3)
    assert request.texts == ["a" * 200]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("text", ""),
        ({}, "inputs"),
        ({"text": "a"}, "inputs"),
        ({"inputs": ""}, "inputs"),
        ({"inputs": ["a", 1]}, "inputs.1"),
        ({"inputs": ["a"] * 4}, "inputs"),
        ({"inputs": "a", "words": 1}, "words"),
        ({"inputs": "a", "explain": True}, "explain"),
        ({"inputs": "a", "parameters": {"top_k": 0}}, "parameters.top_k"),
        ({"inputs": "a", "parameters": {"function_to_apply": "none"}}, "parameters"),
        ({"inputs": "a", "parameters": [1]}, "parameters"),
        ({"inputs": "a", "parameters": False}, "parameters"),
    ],
)
def test_a_wrong_request_is_refused_by_its_field(
    parser: RequestParser, content: Any, field: str
) -> None:
    with pytest.raises(ProblemError) as raised:
        parse(content, parser, 3)
    assert raised.value.errors[0].field.startswith(field)


SEVERAL = Labelling(separator=";", temperatures={"a": 1}, thresholds={"a": 0.5})


@pytest.mark.parametrize(
    ("function", "labelling"),
    [("softmax", None), ("sigmoid", SEVERAL), (None, None), (None, SEVERAL)],
)
def test_the_function_of_the_model_may_be_asked_for(
    function: str | None, labelling: Labelling | None
) -> None:
    require_function({"inputs": "a", "parameters": {"function_to_apply": function}}, labelling)
    require_function({"inputs": "a", "parameters": None}, labelling)


@pytest.mark.parametrize(("function", "labelling"), [("sigmoid", None), ("softmax", SEVERAL)])
def test_another_function_is_refused(function: str, labelling: Labelling | None) -> None:
    content = {"inputs": "a", "parameters": {"function_to_apply": function}}
    with pytest.raises(ProblemError) as raised:
        require_function(content, labelling)
    assert raised.value.errors[0].field == "parameters.function_to_apply"
