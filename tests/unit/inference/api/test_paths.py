from typing import Any

import pytest

from inference.api.paths import Resource, as_event_of, find_resource

RESOURCES = ("/predict", "/health", "/docs", "/")


def event(path: str, route: str = "$default", **parameters: str) -> dict[str, Any]:
    """Return what API Gateway sends about the path; ``route`` is the route that it has matched."""
    return {"rawPath": path, "routeKey": route, "pathParameters": parameters}


@pytest.mark.parametrize("path", RESOURCES)
def test_a_path_names_its_resource(path: str) -> None:
    assert find_resource(event(path), RESOURCES) == Resource(path, "")


@pytest.mark.parametrize("path", ["/health/", "/health//"])
def test_slashes_at_the_end_do_not_matter(path: str) -> None:
    assert find_resource(event(path), RESOURCES) == Resource("/health", "")


@pytest.mark.parametrize(
    ("path", "prefix"), [("/news/predict", "/news"), ("/a/b/predict/", "/a/b"), ("//predict", "")]
)
def test_a_resource_is_found_behind_a_prefix(path: str, prefix: str) -> None:
    assert find_resource(event(path), RESOURCES) == Resource("/predict", prefix)


@pytest.mark.parametrize(
    ("sent", "resource"),
    [
        (event("/news", "GET /"), Resource("/", "/news")),
        (event("/news/", "GET /"), Resource("/", "/news")),
        (event("/", "GET /"), Resource("/", "")),
        # A mapping may have the name of a resource.
        (event("/predict", "GET /"), Resource("/", "/predict")),
        (event("/predict/predict", "POST /predict"), Resource("/predict", "/predict")),
        (event("/news/health", "GET /{page+}", page="health"), Resource("/health", "/news")),
        (event("/news/health/", "GET /{page+}", page="health/"), Resource("/health", "/news")),
        # The stage of an API that is not called $default.
        (event("/prod/docs", "GET /{page}", page="docs"), Resource("/docs", "/prod")),
    ],
)
def test_the_route_that_api_gateway_matched_tells_the_prefix(
    sent: dict[str, Any], resource: Resource
) -> None:
    assert find_resource(sent, RESOURCES) == resource


@pytest.mark.parametrize("path", ["/nothing", "/predict/x", "/unpredict", "/predicthealth", "*"])
def test_other_paths_stay_as_they_are(path: str) -> None:
    assert find_resource(event(path), RESOURCES) == Resource(path, "")


def test_an_event_without_route_or_path_is_one_for_the_root() -> None:
    assert find_resource({}, RESOURCES) == Resource("/", "")


def test_the_router_gets_the_path_without_prefix_and_stage() -> None:
    sent = {"rawPath": "/prod/docs", "requestContext": {"stage": "prod", "http": {}}, "headers": {}}
    assert as_event_of(Resource("/docs", "/prod"), sent) == {
        "rawPath": "/docs",
        "requestContext": {"stage": "$default", "http": {}},
        "headers": {},
    }


@pytest.mark.parametrize(
    ("path", "seen", "resource", "page"),
    [
        # The stage of a REST API is only in the path that clients see ...
        ("/predict", "/prod/predict", Resource("/predict", "/prod"), "predict"),
        # ... and the base path of a custom domain in both.
        ("/news/predict", "/news/predict", Resource("/predict", "/news"), "predict"),
        ("/health/", "/prod/health/", Resource("/health", "/prod"), "health/"),
        # The console of API Gateway sends no stage.
        ("/health", "/health", Resource("/health", ""), "health"),
    ],
)
def test_a_rest_api_tells_the_prefix_in_its_context(
    path: str, seen: str, resource: Resource, page: str
) -> None:
    sent = {"path": path, "resource": "/{proxy+}", "pathParameters": {"proxy": page}}
    assert find_resource(sent | {"requestContext": {"path": seen}}, RESOURCES) == resource


def test_the_root_of_a_rest_api_is_found_behind_its_stage() -> None:
    sent = {"path": "/", "resource": "/", "requestContext": {"path": "/prod/"}}
    assert find_resource(sent, RESOURCES) == Resource("/", "/prod")


def test_a_load_balancer_has_a_path_and_nothing_else() -> None:
    sent = {"path": "/health", "requestContext": {"elb": {}}}
    assert find_resource(sent, RESOURCES) == Resource("/health", "")
    assert as_event_of(Resource("/health", ""), sent)["path"] == "/health"
