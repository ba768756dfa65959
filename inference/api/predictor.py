"""Classify the texts of a request, and record the predictions."""

import math
import time
from collections.abc import Iterator, Sequence
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
    ) -> Classified:
        """Classify the texts of a request, and record the predictions unless it is only a check.

        Args:
            request: The texts.
            request_id: The id of the request.
            is_recorded: Whether to record the predictions.
            may_repeat: Whether the same request may have come before, under the same id.

        Raises:
            ModelUnavailableError: The model cannot be loaded now.
            ProblemError: The texts cannot be explained in time.
        """
        classifier = self._loader.get_model().classifier
        texts, log_id = request.texts, request_id if is_recorded else None
        deadline = time.perf_counter() + MAX_REQUEST_SECONDS
        recorded = self._predict(classifier, texts, log_id, may_repeat=may_repeat)
        if request.explain:
            recorded = _explain(classifier, texts, recorded, deadline)
        predictions: list[Prediction | FieldError] = []
        ids: list[PredictionId | None] = []
        for item in request.items:
            if isinstance(item, Text):
                prediction, id_ = next(recorded)
                predictions.append(_mark(prediction, item))
                ids.append(id_)
            else:
                predictions.append(item)
                ids.append(None)
        return Classified(request, predictions, classifier.version, ids)

    def _predict(
        self, classifier: "Classifier", texts: list[str], log_id: str | None, *, may_repeat: bool
    ) -> "Iterator[tuple[Prediction, PredictionId | None]]":
        """Classify texts in parts, and yield each prediction with its id.

        So neither a log line nor a write to the prediction table grows with the number of texts,
        which a direct invocation does not limit.
        """
        limit = MAX_WINDOW_SECONDS if classifier.has_windows else math.inf
        deadline = time.perf_counter() + limit
        for start in range(0, len(texts), PART):
            part = texts[start : start + PART]
            started = time.perf_counter()
            with traced("predict"):
                predictions = _classify(classifier, part, deadline - started)
            milliseconds = 1000 * (time.perf_counter() - started)
            ids: list[PredictionId | None] = [None] * len(part)
            if log_id is not None:
                part_id = f"{log_id}.{start // PART}" if start else log_id
                log_text = self._settings.log_text
                record_predictions(
                    predictions, classifier.version, milliseconds, part if log_text else None
                )
                if self._log:
                    ids = self._log.write(
                        part_id, part, predictions, classifier.version, may_repeat=may_repeat
                    )
            yield from zip(predictions, ids, strict=True)


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
    classifier: "Classifier",
    texts: list[str],
    recorded: "Iterator[tuple[Prediction, PredictionId | None]]",
    deadline: float,
) -> "Iterator[tuple[Prediction, PredictionId | None]]":
    """Add to each prediction what the words of its text contribute; no log gets the words.

    Raises:
        ProblemError: It takes too long.
    """
    predictions = list(recorded)
    labelled = [prediction for prediction, _ in predictions]
    seconds = min(MAX_SECONDS, deadline - time.perf_counter())
    try:
        with traced("explain"):
            explanations = classifier.explain(texts, labelled, seconds)
    except ExplanationError as error:
        detail = f"The texts cannot be explained: {error}."
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from error
    for (prediction, id_), explanation in zip(predictions, explanations, strict=True):
        yield replace(prediction, explanation=explanation), id_


def _mark(prediction: "Prediction", text: Text) -> "Prediction":
    """Mark a prediction as truncated if its text was cut before the model read it."""
    if not text.is_cut or prediction.truncated:
        return prediction
    return replace(prediction, truncated=True)
