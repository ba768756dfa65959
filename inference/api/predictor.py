"""Classify the texts of a request, and record the predictions."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from inference.api.loader import ClassifierLoader
from inference.api.problems import FieldError, ProblemError
from inference.api.requests import PredictRequest, Text
from inference.model.explanation import MAX_SECONDS, ExplanationError
from inference.prediction_log.writer import PredictionLog
from inference.runtime.settings import Settings
from inference.runtime.telemetry import record_predictions
from inference.runtime.tracing import traced

if TYPE_CHECKING:  # the loader imports numpy and onnxruntime in the meantime
    from inference.model.classifier import Classifier, Prediction
    from inference.prediction_log.prediction_id import PredictionId

PART = 128  # texts that are classified, logged and counted together


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
        has_table = bool(self._settings.prediction_table)
        self._log = PredictionLog(self._settings) if has_table else None

    def classify(
        self, request: PredictRequest, request_id: str, *, is_recorded: bool = True
    ) -> Classified:
        """Classify the texts of a request, and record the predictions unless it is only a check.

        Raises:
            ModelUnavailableError: The model cannot be loaded now.
            ProblemError: The texts cannot be explained in time.
        """
        classifier = self._loader.get_model().classifier
        texts, log_id = request.texts, request_id if is_recorded else None
        recorded = self._predict(classifier, texts, log_id)
        if request.explain:
            recorded = _explain(classifier, texts, recorded)
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
        self, classifier: "Classifier", texts: list[str], log_id: str | None
    ) -> "Iterator[tuple[Prediction, PredictionId | None]]":
        """Classify texts in parts, and yield each prediction with its id.

        So neither a log line nor a write to the prediction table grows with the number of texts,
        which a direct invocation does not limit.
        """
        for start in range(0, len(texts), PART):
            part = texts[start : start + PART]
            started = time.perf_counter()
            with traced("predict"):
                predictions = classifier.predict(part)
            milliseconds = 1000 * (time.perf_counter() - started)
            ids: list[PredictionId | None] = [None] * len(part)
            if log_id is not None:
                part_id = f"{log_id}.{start // PART}" if start else log_id
                ids = self._record(part, predictions, classifier.version, milliseconds, part_id)
            yield from zip(predictions, ids, strict=True)

    def _record(
        self,
        texts: list[str],
        predictions: "list[Prediction]",
        version: str,
        milliseconds: float,
        log_id: str,
    ) -> "list[PredictionId | None]":
        log_text = self._settings.log_text
        record_predictions(predictions, version, milliseconds, texts if log_text else None)
        if not self._log:
            return [None] * len(texts)
        return self._log.write(log_id, texts, predictions, version)


def _explain(
    classifier: "Classifier",
    texts: list[str],
    recorded: "Iterator[tuple[Prediction, PredictionId | None]]",
) -> "Iterator[tuple[Prediction, PredictionId | None]]":
    """Add to each prediction what the words of its text contribute; no log gets the words.

    Raises:
        ProblemError: It takes too long.
    """
    predictions = list(recorded)
    labelled = [prediction for prediction, _ in predictions]
    try:
        with traced("explain"):
            explanations = classifier.explain(texts, labelled, MAX_SECONDS)
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
