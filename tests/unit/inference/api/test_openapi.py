import re
from typing import Any

import pytest

from inference.api.openapi import describe_api
from inference.api.requests import RequestParser
from inference.local.checkout import ROOT
from inference.runtime.settings import Settings

HANDLER = ROOT / "inference" / "api" / "handler.py"


@pytest.fixture
def document() -> dict[str, Any]:
    parser = RequestParser(Settings(model_uri="file:///models", max_texts=7))
    return describe_api(parser, has_feedback=True)


def references(content: Any) -> set[str]:
    return set(re.findall(r"'#/components/schemas/(\w+)'", str(content)))


def test_every_schema_is_defined_and_used(document: dict[str, Any]) -> None:
    assert references(document) == set(document["components"]["schemas"])


def test_every_route_for_programs_is_described(document: dict[str, Any]) -> None:
    routes = set(re.findall(r'@route\("([^"]+)"', HANDLER.read_text()))
    assert set(document["paths"]) == routes - {"/", "/docs", "/openapi.json"}


def test_the_limits_of_the_settings_are_in_the_schema(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]["Request"]["oneOf"]
    _, texts = schemas[0]["properties"]["inputs"]["anyOf"]
    assert texts["maxItems"] == 7


def test_a_503_says_when_to_try_again(document: dict[str, Any]) -> None:
    for path in document["paths"].values():
        for operation in path.values():
            assert "Retry-After" in operation["responses"]["503"]["headers"]


def test_feedback_is_described_only_where_it_is_taken() -> None:
    document = describe_api(RequestParser(Settings(model_uri="file:///models")))
    assert "/feedback" not in document["paths"]
    assert not [name for name in document["components"]["schemas"] if "Feedback" in name]


def test_only_an_api_behind_a_prefix_names_its_server(document: dict[str, Any]) -> None:
    assert "servers" not in document
    parser = RequestParser(Settings(model_uri="file:///models"))
    assert describe_api(parser, "/news")["servers"] == [{"url": "/news"}]


def test_every_answer_of_predict_has_an_example_of_its_status(document: dict[str, Any]) -> None:
    operation = document["paths"]["/predict"]["post"]
    for status, response in operation["responses"].items():
        ((media_type, content),) = response["content"].items()
        if media_type == "application/problem+json":
            assert str(content["example"]["status"]) == status
        else:
            assert content.get("example") or content["examples"]
    requests = operation["requestBody"]["content"]["application/json"]["examples"]
    answers = operation["responses"]["200"]["content"]["application/json"]["examples"]
    assert list(requests) == list(answers)


def test_the_options_of_a_request_are_described(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"]["Request"]["oneOf"]:
        assert {"on_error", "truncate", "top_k"} < set(schema["properties"])
        assert schema["additionalProperties"] is False


def test_answers_may_get_more_fields(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in ("OneAnswer", "ManyAnswers", "Answer", "ItemError", "Health", "Problem"):
        assert "additionalProperties" not in schemas[name]


@pytest.mark.parametrize("path", ["/hf", "/invocations"])
def test_the_doors_of_other_clients_have_their_kind_of_errors(
    document: dict[str, Any], path: str
) -> None:
    responses = document["paths"][path]["post"]["responses"]
    for status in ("400", "413", "415", "422", "500", "503"):
        content = responses[status]["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/PlainError"}
        assert list(content["example"]) == ["error"]


def test_the_limit_of_texts_to_explain_is_in_the_schema() -> None:
    # GIVEN a service that classifies more texts at once than it explains
    document = describe_api(RequestParser(Settings(model_uri="file:///models")))
    # THEN the lists that go with either are different
    limits = {
        (properties["explain"]["enum"][0], properties["inputs"]["anyOf"][1]["maxItems"])
        for schema in document["components"]["schemas"]["Request"]["oneOf"]
        if "inputs" in (properties := schema["properties"])
    }
    assert limits == {(False, 128), (True, 8)}


def test_an_explanation_is_described_as_pairs(document: dict[str, Any]) -> None:
    for name in ("OneAnswer", "Answer"):
        schema = document["components"]["schemas"][name]
        pair = schema["properties"]["explanation"]["items"]
        assert [one.get("type") for one in pair["prefixItems"]] == ["string", None]
        assert "explanation" not in schema["required"]
