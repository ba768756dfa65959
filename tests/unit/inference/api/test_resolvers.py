from typing import Any

import pytest
from aws_lambda_powertools.event_handler.api_gateway import (
    ALBResolver,
    APIGatewayHttpResolver,
    ApiGatewayResolver,
    APIGatewayRestResolver,
    CORSConfig,
    Response,
)
from aws_lambda_powertools.event_handler.lambda_function_url import LambdaFunctionUrlResolver

from inference.api.doors import Door
from inference.api.resolvers import make_resolver
from inference.runtime.context import Context
from inference.runtime.payload import to_event

HEADERS = {"accept-encoding": "gzip", "origin": "https://example.com"}
OLD_EVENT: dict[str, Any] = {
    "headers": HEADERS,
    "requestContext": {"stage": "$default"},
    "isBase64Encoded": False,
    "body": "{}",
}
THEIRS: dict[Door, type[ApiGatewayResolver]] = {
    Door.HTTP_API: APIGatewayHttpResolver,
    Door.REST_API: APIGatewayRestResolver,
    Door.LOAD_BALANCER: ALBResolver,
    Door.FUNCTION_URL: LambdaFunctionUrlResolver,
}
CONTEXT: Any = Context("1")
PATHS = ("/text", "/empty", "/fault", "/missing")


def make_request(door: Door, method: str, path: str) -> dict[str, Any]:
    if door in (Door.HTTP_API, Door.FUNCTION_URL):
        return to_event(method, path, list(HEADERS.items()), b"{}")
    return {**OLD_EVENT, "httpMethod": method, "path": path}


def add_routes(app: ApiGatewayResolver) -> ApiGatewayResolver:
    @app.get("/text")
    def text() -> Response[str]:
        return Response(200, "application/json", '{"status":"ok"}', {"Vary": "origin"})

    @app.get("/empty")
    def empty() -> Response[str]:
        return Response(204)

    @app.get("/fault")
    def fault() -> Response[str]:
        raise ValueError("secret")

    def refuse(_: ValueError) -> Response[str]:
        return Response(500, "application/problem+json", '{"status":500}')

    app.exception_handler(ValueError)(refuse)
    return app


@pytest.mark.parametrize("origin", ["", "https://example.com"])
@pytest.mark.parametrize("door", THEIRS)
def test_each_door_answers_as_powertools_alone_would(door: Door, origin: str) -> None:
    # GIVEN the same routes in a resolver of Powertools and in ours
    cors = CORSConfig(allow_origin=origin) if origin else None
    ours, theirs = add_routes(make_resolver(door, cors)), add_routes(THEIRS[door](cors=cors))
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        for path in PATHS:
            event = make_request(door, method, path)
            # WHEN both get the same event THEN they answer the same
            assert ours.resolve(event, CONTEXT) == theirs.resolve(event, CONTEXT), (method, path)


def test_the_headers_of_cors_are_in_the_answer() -> None:
    # GIVEN an origin that may read the answers WHEN it asks
    cors = CORSConfig(allow_origin="https://example.com")
    app = add_routes(make_resolver(Door.HTTP_API, cors))
    answer = app.resolve(make_request(Door.HTTP_API, "GET", "/text"), CONTEXT)
    # THEN the answer says so
    assert answer["headers"]["Access-Control-Allow-Origin"] == "https://example.com"


def test_a_route_with_what_is_left_out_is_refused() -> None:
    # GIVEN a route whose answers are to be compressed
    app = make_resolver(Door.HTTP_API, None)

    @app.get("/text", compress=True)
    def text() -> Response[str]:
        return Response(200, "text/plain", "")

    # WHEN it is called THEN an error says that this is not done here
    with pytest.raises(NotImplementedError, match="/text: middlewares, compress"):
        app.resolve(make_request(Door.HTTP_API, "GET", "/text"), CONTEXT)


def test_an_exception_without_a_handler_is_raised() -> None:
    # GIVEN a route that fails in a way that nothing handles
    app = make_resolver(Door.HTTP_API, None)

    @app.get("/fault")
    def fault() -> Response[str]:
        raise KeyError("secret")

    # WHEN it is called THEN the exception arrives
    with pytest.raises(KeyError):
        app.resolve(make_request(Door.HTTP_API, "GET", "/fault"), CONTEXT)
