"""The Lambda handler: a list of routes, and the doors that lead to them."""

import gc

from inference.api.loader import ClassifierLoader
from inference.runtime.settings import read_settings

settings = read_settings()
gc.disable()  # until all is loaded; looking for garbage, of which there is none, takes 5 % of it
loader = ClassifierLoader(settings)  # loads in a thread while Python imports the rest

import json
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler.api_gateway import (
    ALBResolver,
    APIGatewayHttpResolver,
    ApiGatewayResolver,
    APIGatewayRestResolver,
    CORSConfig,
    Response,
    Router,
)

from inference.api import problems, snapshot
from inference.api.answers import Health, answer
from inference.api.doors import HTTP, PREDICTION_ID, Door, UnknownEventError, find_door
from inference.api.paths import as_event_of, find_resource
from inference.api.predictor import Classified, Predictor
from inference.api.requests import PredictRequest, RequestParser
from inference.runtime.telemetry import count_cold_start, logger, metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from inference.api.feedback import FeedbackRecorder
    from inference.api.queue import QueueWorker

Route = Callable[[], Response[str]]

RESOLVERS: dict[Door, type[ApiGatewayResolver]] = {
    Door.HTTP_API: APIGatewayHttpResolver,
    Door.REST_API: APIGatewayRestResolver,
    Door.LOAD_BALANCER: ALBResolver,
}
CHECK_STAGE = "check"  # of the events of checks/deployment.py; no client can send it
# The clients of these read errors in another form.
PLAIN_ERRORS = {"/hf", "/ping", "/invocations"}

router = Router()  # type: ignore[no-untyped-call]
parser = RequestParser(settings)
predictor = Predictor(settings, loader)
metrics.namespace = settings.metrics_namespace
methods_of: dict[str, tuple[str, ...]] = {}  # by path
loader.load()  # the init phase has a full CPU; if loading fails, requests try again
if snapshot.is_snapshot_taken():
    snapshot.register_hooks(loader, predictor.renew_clients)


def route(path: str, *methods: str) -> Callable[[Route], Route]:
    """Register a function for a path and its methods."""
    methods_of[path] = methods
    return router.route(path, method=list(methods))


@route("/predict", "POST")
def predict() -> Response[str]:
    """Classify one text or a list of texts."""
    return respond(answer(classify(parser.parse(router.current_event))).to_json())


@route("/feedback", "POST")
def take_feedback() -> Response[str]:
    """Store the right label for the text of a prediction."""
    recorder = make_recorder()
    recorder.require_table()
    return respond(recorder.record(parser.decode(router.current_event)).to_json())


@route("/hf", "POST")
def predict_for_hugging_face() -> Response[str]:
    """Classify texts for a client of Hugging Face."""
    from inference.api import hugging_face  # the first prediction should not wait for it

    content = parser.decode(router.current_event)
    request = hugging_face.parse(content, parser, settings.max_texts)
    hugging_face.require_function(content, loader.get_model().classifier.labelling)
    return respond(hugging_face.answer(classify(request)))


@route("/invocations", "POST")
def predict_for_sagemaker() -> Response[str]:
    """Classify texts for a client of SageMaker."""
    from inference.api import invocations

    event = router.current_event
    request = invocations.parse(event, parser, settings.max_texts)
    media_type = invocations.find_format(event)
    labelling = loader.get_model().classifier.labelling
    separator = labelling.separator if labelling else ""
    return respond(invocations.write(answer(classify(request)), media_type, separator), media_type)


@route("/health", "GET", "HEAD")
def health() -> Response[str]:
    """Tell whether this environment can answer."""
    version = loader.get_model().classifier.version
    return respond(Health(status="ok", model_version=version).to_json())


@route("/ping", "GET", "HEAD")
def ping() -> Response[str]:
    """Tell SageMaker whether this environment can answer."""
    return health()


@route("/model", "GET", "HEAD")
def model_card() -> Response[str]:
    """Show the manifest and the version of the bundle."""
    model = loader.get_model()
    manifest = model.manifest.to_json()
    return respond(json.dumps({"model_version": model.classifier.version, **manifest}))


@route("/openapi.json", "GET", "HEAD")
def openapi() -> Response[str]:
    """Show the OpenAPI document."""
    from inference.api.openapi import describe_api

    prefix, has_feedback = router.context["prefix"], bool(settings.prediction_table)
    labelling = loader.get_model().classifier.labelling if loader.is_loaded else None
    document = describe_api(parser, prefix, has_feedback=has_feedback, labelling=labelling)
    return respond(json.dumps(document))


@route("/", "GET", "HEAD")
def home() -> Response[str]:
    """Show a page to try the classifier."""
    from inference.api.pages import render_page

    return render_page("index.html")


@route("/docs", "GET", "HEAD")
def docs() -> Response[str]:
    """Show the OpenAPI document as a page."""
    from inference.api.pages import render_page

    return render_page("docs.html")


def unmatched(_: Exception) -> Response[str]:
    """Answer OPTIONS, and refuse unknown paths and methods."""
    methods = methods_of.get(router.current_event.path)
    if methods is None:
        return refuse(problems.ProblemError(HTTPStatus.NOT_FOUND, "There is no such resource."))
    headers = {"Allow": ", ".join([*methods, "OPTIONS"])}
    if router.current_event.http_method == "OPTIONS":
        return Response(HTTPStatus.NO_CONTENT, headers={**headers})
    detail = f"This resource answers {headers['Allow']}."
    return refuse(problems.ProblemError(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers=headers))


def refuse(error: Exception) -> Response[str]:
    """Answer with an error response."""
    is_plain = router.current_event.path in PLAIN_ERRORS
    to_response = problems.to_plain_response if is_plain else problems.to_response
    return to_response(error, router.lambda_context.aws_request_id)


def classify(request: PredictRequest) -> Classified:
    """Classify the texts of a request."""
    request_id, is_check = router.lambda_context.aws_request_id, router.context["is_check"]
    return predictor.classify(request, request_id, is_recorded=not is_check)


def respond(body: str, media_type: str = "application/json") -> Response[str]:
    """Answer with a document."""
    return Response(HTTPStatus.OK, media_type, body)


def find_resolver(door: Door) -> type[ApiGatewayResolver]:
    """Find the class that routes the events of a door."""
    if door is Door.FUNCTION_URL:
        from aws_lambda_powertools.event_handler.lambda_function_url import (
            LambdaFunctionUrlResolver,
        )

        return LambdaFunctionUrlResolver
    return RESOLVERS[door]


@cache
def make_app(door: Door) -> ApiGatewayResolver:
    """Make the router for the events of a door; the routes are the same for all."""
    cors = CORSConfig(allow_origin=settings.cors_origin) if settings.cors_origin else None
    app = find_resolver(door)(cors=cors)
    app.include_router(router)
    app.not_found(unmatched)
    app.exception_handler(Exception)(refuse)
    return app


make_app(Door.HTTP_API)  # now, in the init phase; the apps of other doors are made when needed
gc.freeze()  # what is there now stays, so no collection needs to look at it again
gc.enable()


def answer_http(event: dict[str, Any], context: "LambdaContext", door: Door) -> dict[str, Any]:
    """Answer an HTTP request in the form of its door."""
    app = make_app(door)
    router.api_resolver = app
    resource = find_resource(event, methods_of)
    app.context["prefix"] = resource.prefix
    app.context["is_check"] = (event.get("requestContext") or {}).get("stage") == CHECK_STAGE
    response = app.resolve(as_event_of(resource, event), context)
    if door is Door.LOAD_BALANCER:
        status = HTTPStatus(response["statusCode"])
        response["statusDescription"] = f"{status.value} {status.phrase}"
    return response


@cache
def make_recorder() -> "FeedbackRecorder":
    """Make what stores feedback."""
    from inference.api.feedback import FeedbackRecorder

    return FeedbackRecorder(settings, loader)


@cache
def make_worker() -> "QueueWorker":
    """Make what answers the messages of a queue."""
    from inference.api import queue

    return queue.QueueWorker(parser, predictor, queue.find_results(settings), settings.max_texts)


@logger.inject_lambda_context(log_event=False)  # even if an environment variable says otherwise
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Answer an event in the form of the door that it came through.

    Raises:
        ServiceFaultError: A direct invocation could not be answered.
        UnknownEventError: The event came from a service that has no door here.
    """
    count_cold_start()
    door = find_door(event)
    if door in HTTP:
        return answer_http(event, context, door)
    if door is Door.QUEUE:
        return make_worker().answer_batch(event["Records"])
    if door is Door.WARMER:
        loader.load()
        return {"status": "ok" if loader.is_loaded else "unavailable"}
    if door is Door.UNKNOWN:
        raise UnknownEventError("the event came from a service that has no door here")
    from inference.api.direct import answer_event, answer_feedback

    if isinstance(event, dict) and PREDICTION_ID in event:
        return answer_feedback(event, make_recorder(), context.aws_request_id)
    return answer_event(event, parser, predictor, context.aws_request_id)
