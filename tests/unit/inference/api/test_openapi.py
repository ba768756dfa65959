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
    return describe_api(RequestParser(Settings(model_uri="file:///models", max_texts=7)))


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
