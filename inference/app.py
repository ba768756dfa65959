"""The Lambda handler: a list of routes."""

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.typing import LambdaContext

from inference import api
from inference.model import Model, ModelUnavailableError
from inference.observability import logger
from inference.settings import read_settings

settings = read_settings()
app = APIGatewayHttpResolver()
model = Model(settings)
model.load()  # while Lambda's init still has full CPU; a failure is tried again by requests


@app.post("/predict")
def predict() -> Response[str]:
    """Classify one text or a list of them."""
    request = api.parse_request(app.current_event, settings)
    classifier, version = model.get()
    return api.answer(request, classifier.predict(request.texts), version)


@app.get("/health")
def health() -> Response[str]:
    """Whether this environment can answer."""
    _, version = model.get()
    return api.json_response({"status": "ok", "model_version": version})


@app.get("/model")
def card() -> Response[str]:
    """The model card: the bundle's manifest and version."""
    classifier, version = model.get()
    manifest = classifier.manifest.model_dump(mode="json")
    return api.json_response({"model_version": version, **manifest})


@app.exception_handler(api.ProblemError)
def told(problem: api.ProblemError) -> Response[str]:
    """An error the client is told about."""
    return api.problem_response(problem)


@app.exception_handler(ModelUnavailableError)
def unavailable(_: ModelUnavailableError) -> Response[str]:
    """The model cannot be had now; the next request tries again."""
    detail = "The model is not available yet."
    return api.problem_response(api.ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail))


@app.not_found
def unknown(_: NotFoundError) -> Response[str]:
    """No such route."""
    return api.problem_response(
        api.ProblemError(HTTPStatus.NOT_FOUND, "There is no such resource.")
    )


@app.exception_handler(Exception)
def failed(_: Exception) -> Response[str]:
    """A fault of ours: all of it in the log, none of it in the answer."""
    logger.exception("unhandled")
    detail = f"Request {app.lambda_context.aws_request_id} failed."
    return api.problem_response(api.ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, detail))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer an API Gateway HTTP API event (payload format 2.0)."""
    return app.resolve(event, context)
