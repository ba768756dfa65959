"""Classify the texts of a request, and record the predictions."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from inference.api.loader import ClassifierLoader
from inference.api.problems import FieldError, ProblemError
from inference.api.requests import PredictRequest, Text
from inference.model.explanation import MAX_SECONDS, ExplanationError
from inference.model.windows import SlowTextsError
from inference.runtime.settings import Settings
from inference.runtime.telemetry import record_predictions
from inference.runtime.tracing import traced

if TYPE_CHECKING:  # the loader imports numpy and onnxruntime in the meantime
    from inference.model.classifier import Classifier, Prediction
    from inference.prediction_log.prediction_id import PredictionId
    from inference.prediction_log.writer import PredictionLog

PART = 128  # texts that are classified, logged and counted together
# For a request, if long texts are read in windows. One text takes less, however long it is.
MAX_WINDOW_SECONDS = 20.0
# For classifying and explaining together: the function has 28 s, and must still answer.
MAX_REQUEST_SECONDS = 25.0


@dataclass(frozen=True)
class Classified:
    """A request, and a prediction or an error for each of its texts, in their order."""

    request: PredictRequest
    predictions: "list[Prediction | FieldError]"
    version: str  # of the model
    # Of each prediction, in the same places; None for those that are not in the prediction table.
    prediction_ids: "Sequence[PredictionId | None]" = ()


@dataclass(frozen=True)
class _Part:
    """Texts that are logged together, and what the model says about them."""

    log_id: str
    texts: list[str]
    predictions: "list[Prediction]"
    milliseconds: float


class Predictor:
    """Classifies requests with the model of the settings."""

    def __init__(self, settings: Settings, loader: ClassifierLoader) -> None:
        """Connect to the prediction table, if there is one."""
        self._settings, self._loader = settings, loader
        self.renew_clients()

    def renew_clients(self) -> None:
        """Connect to the prediction table anew: connections do not survive a snapshot."""
        self._log = _open_log(self._settings)

    def classify(
        self,
        request: PredictRequest,
        request_id: str,
        *,
        is_recorded: bool = True,
        may_repeat: bool = False,
        check: Callable[[Classified], None] | None = None,
    ) -> Classified:
        """Classify the texts of a request, and record the predictions unless it is only a check.

        Nothing is recorded of a request that cannot be classified or explained, or that ``check``
        refuses.

        Args:
            request: The texts.
            request_id: The id of the request.
            is_recorded: Whether to record the predictions.
            may_repeat: Whether the same request may have come before, under the same id.
            check: Raises an error if the predictions cannot be answered, before they are recorded.

        Raises:
            ModelUnavailableError: The model cannot be loaded now.
            ProblemError: The texts cannot be classified or explained in time.
        """
        classifier = self._loader.get_model().classifier
        deadline = time.perf_counter() + MAX_REQUEST_SECONDS
        parts = list(_predict(classifier, request.texts, request_id))
        predictions = [prediction for part in parts for prediction in part.predictions]
        if request.explain:
            predictions = _explain(classifier, request.texts, predictions, deadline)
        version = classifier.version
        if check:
            ids = _plan_ids(parts, version) if is_recorded and self._log else []
            check(_put_in_place(request, predictions, ids, version))
        recorded: list[PredictionId | None] = []
        if is_recorded:
            for part in parts:
                recorded += self._record(part, version, may_repeat=may_repeat)
        return _put_in_place(request, predictions, recorded, version)

    def _record(
        self, part: _Part, version: str, *, may_repeat: bool
    ) -> "Sequence[PredictionId | None]":
        """Log and count predictions; returns their ids in the prediction table, if there is one."""
        texts = part.texts if self._settings.log_text else None
        record_predictions(part.predictions, version, part.milliseconds, texts)
        if self._log is None:
            return [None] * len(part.texts)
        return self._log.write(
            part.log_id, part.texts, part.predictions, version, may_repeat=may_repeat
        )


def _predict(classifier: "Classifier", texts: list[str], log_id: str) -> Iterator[_Part]:
    """Classify texts in parts.

    So neither a log line nor a write to the prediction table grows with the number of texts, which
    a direct invocation does not limit.
    """
    limit = MAX_WINDOW_SECONDS if classifier.has_windows else math.inf
    deadline = time.perf_counter() + limit
    for start in range(0, len(texts), PART):
        part = texts[start : start + PART]
        started = time.perf_counter()
        with traced("predict"):
            predictions = _classify(classifier, part, deadline - started)
        milliseconds = 1000 * (time.perf_counter() - started)
        part_id = f"{log_id}.{start // PART}" if start else log_id
        yield _Part(part_id, part, predictions, milliseconds)


def _classify(classifier: "Classifier", texts: list[str], seconds: float) -> "list[Prediction]":
    """Classify texts.

    Raises:
        ProblemError: It takes too long.
    """
    try:
        return classifier.predict(texts, seconds)
    except SlowTextsError as error:
        detail = f"The request takes too long: {error}."
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from error


def _open_log(settings: Settings) -> "PredictionLog | None":
    if not settings.prediction_table:
        return None
    from inference.prediction_log import writer  # not without a table: it would slow the start

    return writer.PredictionLog(settings)


def _explain(
    classifier: "Classifier", texts: list[str], predictions: "list[Prediction]", deadline: float
) -> "list[Prediction]":
    """Add to each prediction what the words of its text contribute; no log gets the words.

    Raises:
        ProblemError: It takes too long.
    """
    seconds = min(MAX_SECONDS, deadline - time.perf_counter())
    try:
        with traced("explain"):
            explanations = classifier.explain(texts, predictions, seconds)
    except ExplanationError as error:
        detail = f"The texts cannot be explained: {error}."
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from error
    return [
        replace(prediction, explanation=explanation)
        for prediction, explanation in zip(predictions, explanations, strict=True)
    ]


def _plan_ids(parts: Sequence[_Part], version: str) -> "list[PredictionId | None]":
    """Return the ids of predictions that are all written to the prediction table."""
    from inference.prediction_log.prediction_id import PredictionId  # not without a table

    return [
        PredictionId(version, part.log_id, index)
        for part in parts
        for index in range(len(part.texts))
    ]


def _put_in_place(
    request: PredictRequest,
    predictions: "Sequence[Prediction]",
    ids: "Sequence[PredictionId | None]",
    version: str,
) -> Classified:
    """Give each text its prediction and its id, if there are any, and leave errors in place."""
    recorded = iter(zip(predictions, ids or [None] * len(predictions), strict=True))
    answers: list[Prediction | FieldError] = []
    ids_in_place: list[PredictionId | None] = []
    for item in request.items:
        if isinstance(item, Text):
            prediction, id_ = next(recorded)
            answers.append(_mark(prediction, item))
            ids_in_place.append(id_)
        else:
            answers.append(item)
            ids_in_place.append(None)
    return Classified(request, answers, version, ids_in_place)


def _mark(prediction: "Prediction", text: Text) -> "Prediction":
    """Mark a prediction as truncated if its text was cut before the model read it."""
    if not text.is_cut or prediction.truncated:
        return prediction
    return replace(prediction, truncated=True)
