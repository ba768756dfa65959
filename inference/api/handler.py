"""The Lambda handler: a list of routes."""

from inference.api.loader import Model, ModelUnavailableError
from inference.runtime.settings import read_settings

settings = read_settings()
model = Model(settings)  # onnxruntime prepares it while Python imports the rest

import json
import time
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, CORSConfig, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.typing import LambdaContext

from inference.api import pages
from inference.api import requests as api
from inference.api.openapi import document
from inference.predictions.log import PredictionLog
from inference.runtime.telemetry import count_cold_start, logger, metrics, predicted
from inference.runtime.tracing import traced

READ = ["GET", "HEAD"]
METHODS = {
    "/": READ,
    "/predict": ["POST"],
    "/health": READ,
    "/model": READ,
    "/openapi.json": READ,
    "/docs": READ,
}

cors = CORSConfig(allow_origin=settings.cors_origin) if settings.cors_origin else None
app = APIGatewayHttpResolver(cors=cors)
requests = api.RequestReader(settings)
metrics.namespace = settings.metrics_namespace
prediction_log = PredictionLog(settings) if settings.prediction_table else None
model.load()  # while Lambda's init still has full CPU; a failure is tried again by requests


@app.post("/predict")
def predict() -> Response[str]:
    """Classify one text or a list of them."""
    request = requests.read(app.current_event)
    classifier, version = model.get()
    started = time.perf_counter()
    with traced("predict"):
        predictions = classifier.predict(request.texts)
    milliseconds = 1000 * (time.perf_counter() - started)
    predicted(predictions, version, milliseconds, request.texts if settings.log_text else None)
    if prediction_log:
        request_id = app.lambda_context.aws_request_id
        prediction_log.write(request_id, request.texts, predictions, version)
    return api.answer(request, predictions, version)


@app.route("/health", method=READ)
def health() -> Response[str]:
    """Whether this environment can answer."""
    _, version = model.get()
    return api.json_response(api.Health(status="ok", model_version=version))


@app.route("/model", method=READ)
def card() -> Response[str]:
    """The model card: the bundle's manifest and version."""
    classifier, version = model.get()
    content = {"model_version": version, **classifier.manifest.model_dump(mode="json")}
    return Response(HTTPStatus.OK, "application/json", json.dumps(content))


@app.route("/openapi.json", method=READ)
def openapi() -> Response[str]:
    """The OpenAPI document."""
    return Response(HTTPStatus.OK, "application/json", json.dumps(document(requests)))


@app.route("/", method=READ)
def home() -> Response[str]:
    """A page to try the classifier."""
    return pages.page("index.html")


@app.route("/docs", method=READ)
def docs() -> Response[str]:
    """The OpenAPI document for people."""
    return pages.page("docs.html")


@app.exception_handler(api.ProblemError)
def told(problem: api.ProblemError) -> Response[str]:
    """An error the client is told about."""
    return api.problem_response(problem)


@app.exception_handler(ModelUnavailableError)
def unavailable(_: ModelUnavailableError) -> Response[str]:
    """The model cannot be had now; the next request tries again."""
    headers = {"Retry-After": str(api.RETRY_SECONDS)}
    detail = "The model is not available yet."
    problem = api.ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers)
    return api.problem_response(problem)


@app.not_found
def unmatched(_: NotFoundError) -> Response[str]:
    """No such path, or not with this method."""
    methods = METHODS.get(app.current_event.path)
    if methods is None:
        problem = api.ProblemError(HTTPStatus.NOT_FOUND, "There is no such resource.")
        return api.problem_response(problem)
    allow = {"Allow": ", ".join([*methods, "OPTIONS"])}
    if app.current_event.http_method == "OPTIONS":
        return Response(HTTPStatus.NO_CONTENT, headers={**allow})
    detail = f"This resource answers {allow['Allow']}."
    problem = api.ProblemError(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers=allow)
    return api.problem_response(problem)


@app.exception_handler(Exception)
def failed(_: Exception) -> Response[str]:
    """A fault of ours: all of it in the log, none of it in the answer."""
    logger.exception("unhandled")
    detail = f"Request {app.lambda_context.aws_request_id} failed."
    return api.problem_response(api.ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, detail))


@logger.inject_lambda_context(log_event=False)  # whatever the environment says
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer an API Gateway HTTP API event (payload format 2.0).

    Any other event is a warmer's or somebody's test: it gets the state of the model.
    """
    count_cold_start()
    if "http" not in (event.get("requestContext") or {}):
        model.load()
        return {"status": "ok" if model.loaded else "unavailable"}
    return app.resolve(event, context)
