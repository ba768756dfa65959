"""Find the resource that a request is for, whatever comes before it in the path.

With an API mapping of a custom domain, such as ``api.example.com/news``, API Gateway leaves the
mapping's key in the path of the event. The route that it matched does not have it. A REST API has
the mapping's key or the stage in the path of ``requestContext``, which is the one that clients see.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Resource:
    """A resource of the API, or whatever else a path names."""

    path: str  # such as /predict
    prefix: str  # what comes before it, such as /news; usually nothing


def find_resource(event: Mapping[str, Any], resources: Collection[str]) -> Resource:
    """Find the resource that an event is for; slashes at the end of its path do not matter."""
    path = _path_of(event).rstrip("/")
    route = _path_of_route(event)
    for resource in (route, *resources) if route in resources else resources:
        tail = resource.rstrip("/")  # nothing for the root, which only a route can name
        if path == tail or (path.endswith(tail) and (tail or resource == route)):
            return Resource(resource, path.removesuffix(tail).rstrip("/"))
    return Resource(path or "/", "")


def as_event_of(resource: Resource, event: dict[str, Any]) -> dict[str, Any]:
    """Return the event as it would be without the prefix, which may be the name of a stage."""
    context = {**(event.get("requestContext") or {}), "stage": "$default"}
    path = "rawPath" if "http" in context else "path"  # payload format 2.0, or an older one
    return {**event, path: resource.path, "requestContext": context}


def _path_of(event: Mapping[str, Any]) -> str:
    context = event.get("requestContext") or {}
    return str(event.get("rawPath") or context.get("path") or event.get("path") or "")


def _path_of_route(event: Mapping[str, Any]) -> str:
    """Return the path that API Gateway matched, such as /health for ``GET /{page+}``.

    It is empty for the route ``$default``, and for doors that have no routes.
    """
    _, _, path = str(event.get("routeKey") or "").partition(" ")
    path = path or str(event.get("resource") or "")  # of payload format 1.0
    for name, value in (event.get("pathParameters") or {}).items():
        path = path.replace(f"{{{name}+}}", value).replace(f"{{{name}}}", value)
    return path.rstrip("/") or path
