"""The Lambda handler: a list of routes."""

from inference.api.loader import ClassifierLoader
from inference.runtime.settings import read_settings

settings = read_settings()
loader = ClassifierLoader(settings)  # loads in a thread while Python imports the rest

import json
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, CORSConfig, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.typing import LambdaContext

from inference.api import problems
from inference.api.answers import Health, answer_many, answer_one
from inference.api.pages import render_page
from inference.api.paths import as_event_of, find_resource
from inference.api.requests import RequestParser
from inference.prediction_log.writer import PredictionLog
from inference.runtime.telemetry import count_cold_start, logger, metrics, record_predictions
from inference.runtime.tracing import traced

if TYPE_CHECKING:
    from inference.model.classifier import Classifier, Prediction

Route = Callable[[], Response[str]]

cors = CORSConfig(allow_origin=settings.cors_origin) if settings.cors_origin else None
app = APIGatewayHttpResolver(cors=cors)
parser = RequestParser(settings)
prediction_log = PredictionLog(settings) if settings.prediction_table else None
metrics.namespace = settings.metrics_namespace
methods_of: dict[str, tuple[str, ...]] = {}  # by path
loader.load()  # the init phase has a full CPU; if loading fails, requests try again


def route(path: str, *methods: str) -> Callable[[Route], Route]:
    """Register a function for a path and its methods."""
    methods_of[path] = methods
    return app.route(path, method=list(methods))


@route("/predict", "POST")
def predict() -> Response[str]:
    """Classify one text or a list of texts."""
    request = parser.parse(app.current_event)
    classifier = loader.get_model().classifier
    predictions = classify(classifier, request.texts)
    if request.is_list:
        return respond(answer_many(predictions, classifier.version).model_dump_json())
    return respond(answer_one(predictions[0], classifier.version).model_dump_json())


@route("/health", "GET", "HEAD")
def health() -> Response[str]:
    """Tell whether this environment can answer."""
    version = loader.get_model().classifier.version
    return respond(Health(status="ok", model_version=version).model_dump_json())


@route("/model", "GET", "HEAD")
def model_card() -> Response[str]:
    """Show the manifest and the version of the bundle."""
    model = loader.get_model()
    manifest = model.manifest.model_dump(mode="json")
    return respond(json.dumps({"model_version": model.classifier.version, **manifest}))


@route("/openapi.json", "GET", "HEAD")
def openapi() -> Response[str]:
    """Show the OpenAPI document."""
    # Imported here, because the first prediction should not wait for it.
    from inference.api.openapi import describe_api

    return respond(json.dumps(describe_api(parser, app.context["prefix"])))


@route("/", "GET", "HEAD")
def home() -> Response[str]:
    """Show a page to try the classifier."""
    return render_page("index.html")


@route("/docs", "GET", "HEAD")
def docs() -> Response[str]:
    """Show the OpenAPI document as a page."""
    return render_page("docs.html")


@app.not_found
def unmatched(_: NotFoundError) -> Response[str]:
    """Answer OPTIONS, and refuse unknown paths and methods."""
    methods = methods_of.get(app.current_event.path)
    if methods is None:
        error = problems.ProblemError(HTTPStatus.NOT_FOUND, "There is no such resource.")
        return problems.to_response(error, app.lambda_context.aws_request_id)
    headers = {"Allow": ", ".join([*methods, "OPTIONS"])}
    if app.current_event.http_method == "OPTIONS":
        return Response(HTTPStatus.NO_CONTENT, headers={**headers})
    detail = f"This resource answers {headers['Allow']}."
    error = problems.ProblemError(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers=headers)
    return problems.to_response(error, app.lambda_context.aws_request_id)


@app.exception_handler(Exception)
def refuse(error: Exception) -> Response[str]:
    """Answer with an error response."""
    return problems.to_response(error, app.lambda_context.aws_request_id)


def classify(classifier: "Classifier", texts: Sequence[str]) -> "list[Prediction]":
    """Classify texts, and record the predictions in logs, metrics and the prediction table."""
    started = time.perf_counter()
    with traced("predict"):
        predictions = classifier.predict(texts)
    milliseconds = 1000 * (time.perf_counter() - started)
    version = classifier.version
    record_predictions(predictions, version, milliseconds, texts if settings.log_text else None)
    if prediction_log:
        request_id = app.lambda_context.aws_request_id
        prediction_log.write(request_id, texts, predictions, version)
    return predictions


def respond(body: str) -> Response[str]:
    """Answer with a JSON document."""
    return Response(HTTPStatus.OK, "application/json", body)


@logger.inject_lambda_context(log_event=False)  # even if an environment variable says otherwise
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer an event of an API Gateway HTTP API (payload format 2.0).

    Any other event comes from a warmer or a test, and is answered with the state of the model.
    """
    count_cold_start()
    if "http" not in (event.get("requestContext") or {}):
        loader.load()
        return {"status": "ok" if loader.is_loaded else "unavailable"}
    resource = find_resource(event, methods_of)
    app.context["prefix"] = resource.prefix
    return app.resolve(as_event_of(resource, event), context)
