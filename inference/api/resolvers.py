"""Route events with the resolvers of Powertools, without what this API has no use for.

A resolver calls the function of a route through middlewares, which also look for dependencies to
inject and types to validate. Then it copies all headers, to see if it may compress the answer. No
route here has any of it, and all of it together takes longer than recording a prediction.
"""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler.api_gateway import (
    ALBResolver,
    APIGatewayHttpResolver,
    ApiGatewayResolver,
    APIGatewayRestResolver,
    CORSConfig,
    ResponseBuilder,
    Route,
)

from inference.api.doors import Door

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent


class DirectResolver(ApiGatewayResolver):
    """Finds a route by its whole path, and calls its function directly."""

    @cached_property
    def _routes_by_place(self) -> dict[tuple[str, str], Route]:
        for route in self._static_routes:
            if route.middlewares or route.compress or route.cache_control:
                raise NotImplementedError(f"{route.path}: middlewares, compress or cache_control")
        return {(route.method, route.path): route for route in self._static_routes}

    def _resolve(self) -> "ResponseBuilder[BaseProxyEvent]":
        event = self.current_event
        route = self._routes_by_place.get((event.http_method, event.path))
        return super()._resolve() if route is None else self._call_route(route, {})

    def _call_route(
        self, route: Route, route_arguments: dict[str, str]
    ) -> "ResponseBuilder[BaseProxyEvent]":
        try:
            response: Any = self._to_response(route.func(**route_arguments))
        except Exception as error:
            handled = self._call_exception_handler(error, route)
            if handled is None:
                raise
            return handled
        # Without its route, an answer gets no headers for CORS and is never compressed.
        return ResponseBuilder(response, self._serializer, route if route.cors else None)


class HttpResolver(DirectResolver, APIGatewayHttpResolver):
    """Routes the events of an HTTP API."""


class RestResolver(DirectResolver, APIGatewayRestResolver):
    """Routes the events of a REST API."""


class LoadBalancerResolver(DirectResolver, ALBResolver):
    """Routes the events of a load balancer."""


RESOLVERS: dict[Door, Callable[..., DirectResolver]] = {
    Door.HTTP_API: HttpResolver,
    Door.REST_API: RestResolver,
    Door.LOAD_BALANCER: LoadBalancerResolver,
}


def make_resolver(door: Door, cors: CORSConfig | None) -> DirectResolver:
    """Make what routes the events of a door."""
    if door is Door.FUNCTION_URL:  # most functions have another door
        return _make_url_resolver(cors)
    return RESOLVERS[door](cors=cors)


def _make_url_resolver(cors: CORSConfig | None) -> DirectResolver:
    from aws_lambda_powertools.event_handler.lambda_function_url import LambdaFunctionUrlResolver

    class UrlResolver(DirectResolver, LambdaFunctionUrlResolver):
        """Routes the events of a function URL."""

    return UrlResolver(cors=cors)
