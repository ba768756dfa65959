"""Answer direct invocations: the event is the body of a request, the answer that of a response.

``aws lambda invoke``, the SDKs and state machines call the function this way. They have no HTTP
status: a request that is wrong is answered with the problem, whose ``status`` says so. A fault of
the service is an error of the invocation, so that Lambda and Step Functions try it again.
"""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from inference.api.answers import answer
from inference.api.predictor import Classified, Predictor
from inference.api.problems import ProblemError, describe, to_problem
from inference.api.requests import RequestParser

if TYPE_CHECKING:
    from inference.api.feedback import FeedbackRecorder

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_ANSWER_BYTES = 6 * 1024 * 1024


class ServiceFaultError(Exception):
    """The service could not answer; the log says why."""


def answer_event(
    event: Any, parser: RequestParser, predictor: Predictor, request_id: str
) -> dict[str, Any]:
    """Answer an event that has the form of the API's requests, with any number of texts.

    Raises:
        ServiceFaultError: The service failed; to try again may help.
    """
    return _answer_or_explain(lambda: _answer(event, parser, predictor, request_id), request_id)


def answer_feedback(event: Any, recorder: "FeedbackRecorder", request_id: str) -> dict[str, Any]:
    """Answer an event that has the form of feedback.

    Raises:
        ServiceFaultError: The service failed; to try again may help.
    """
    return _answer_or_explain(lambda: recorder.record(event).to_dict(), request_id)


def _answer_or_explain(
    give_answer: Callable[[], dict[str, Any]], request_id: str
) -> dict[str, Any]:
    try:
        return give_answer()
    except Exception as error:
        problem = to_problem(error, request_id)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ServiceFaultError(problem.detail)
    return describe(problem).to_dict()


def _answer(
    event: Any, parser: RequestParser, predictor: Predictor, request_id: str
) -> dict[str, Any]:
    # Lambda may deliver the event of an asynchronous invocation twice, under the same id.
    classified = predictor.classify(
        parser.read(event), request_id, may_repeat=True, check=_require_sendable
    )
    return answer(classified).to_dict()


def _require_sendable(classified: Classified) -> None:
    """Refuse an answer that Lambda would not send.

    Raises:
        ProblemError: It is too large.
    """
    content = answer(classified).to_dict()
    size = len(json.dumps(content, ensure_ascii=False).encode())
    if size > MAX_ANSWER_BYTES:
        detail = (
            f"The answer has {size} bytes, and Lambda sends {MAX_ANSWER_BYTES} at most. "
            "Send fewer texts, or set top_k."
        )
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
