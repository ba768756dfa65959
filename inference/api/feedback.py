"""Take feedback: the label that a text should have got, for the id of its prediction.

Anyone who may classify may send feedback, but only for predictions whose ids they have. The label
must be one of the labels of the model that predicted, which need not be the one that serves now.
"""

from dataclasses import dataclass
from http import HTTPStatus
from threading import Lock
from typing import Annotated, Any

from msgspec import Meta, Struct

from inference.api.answers import ID, Body
from inference.api.loader import ClassifierLoader
from inference.api.problems import RETRY_SECONDS, FieldError, ProblemError, repeat
from inference.api.requests import find_errors, invalid
from inference.api.rules import check_string
from inference.model.bundle import Manifest
from inference.model.store import FILE_SCHEME, StoreError, fetch_manifest, is_missing
from inference.prediction_log.feedback import (
    FeedbackStore,
    FeedbackUnavailableError,
    Labels,
    UnknownPredictionError,
)
from inference.prediction_log.prediction_id import MAX_LENGTH, PredictionId
from inference.runtime.settings import Settings
from inference.runtime.telemetry import record_feedback, record_feedback_failure

NO_TABLE = "This service keeps no predictions, so it takes no feedback."
UNKNOWN = "There is no such prediction; it may have expired."
MAX_VERSIONS = 16  # whose labels are kept in memory
MAX_SHOWN = 20  # labels that an error names


class FeedbackRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """The right label for the text of a prediction."""

    prediction_id: Annotated[str, Meta(min_length=1, max_length=MAX_LENGTH)]
    # Validated when the labels of the model are known.
    label: Annotated[
        str | list[str],
        Meta(description="A label of the model; a list, if the model may give a text several."),
    ]


FIELDS = FeedbackRequest.__struct_fields__
CHECKS = {"prediction_id": lambda value: check_string(value, MAX_LENGTH)}


class FeedbackAnswer(Body, kw_only=True):
    """What was stored; a label that was sent before is replaced."""

    prediction_id: Annotated[str, Meta(examples=[ID])]
    label: Annotated[str | list[str], Meta(examples=["Health"])]
    predicted_label: Annotated[str | list[str], Meta(examples=["Science"])]


@dataclass(frozen=True)
class LabelSet:
    """The labels that a version of the model can give."""

    labels: tuple[str, ...]  # in output order
    is_multi: bool  # whether a text may get several of them, or none

    @classmethod
    def of(cls, manifest: Manifest) -> "LabelSet":
        """Read the labels of a bundle."""
        return cls(manifest.labels, manifest.labelling is not None)

    def parse(self, label: Any) -> Labels:
        """Validate the label of a request.

        Raises:
            ProblemError: It is not a label of the model, or has the wrong form.
        """
        if isinstance(label, str) and not self.is_multi:
            return self._require_known([label])[0]
        if not self.is_multi:
            raise _wrong("Input should be a valid string")
        named = [label] if isinstance(label, str) else label
        if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
            raise _wrong("Input should be a label or a list of labels")
        known = set(self._require_known(named))
        return tuple(one for one in self.labels if one in known)

    def _require_known(self, named: list[str]) -> list[str]:
        if set(named) <= set(self.labels):
            return named
        shown = ", ".join(self.labels[:MAX_SHOWN])
        more = f" and {len(self.labels) - MAX_SHOWN} others" if self.labels[MAX_SHOWN:] else ""
        raise _wrong(f"Input should be a label of the model that predicted: {shown}{more}")


class FeedbackRecorder:
    """Validates feedback and stores it in the prediction table."""

    def __init__(self, settings: Settings, loader: ClassifierLoader) -> None:
        """Take what is needed; the table is connected when feedback first comes.

        So no connection can be in a snapshot, and only environments that get feedback wait for one.
        """
        self._settings, self._loader = settings, loader
        self._lock = Lock()
        self._store: FeedbackStore | None = None
        self._label_sets: dict[str, LabelSet] = {}

    def require_table(self) -> None:
        """Refuse feedback where there is no table.

        Raises:
            ProblemError: There is none.
        """
        if not self._settings.prediction_table:
            raise ProblemError(HTTPStatus.NOT_FOUND, NO_TABLE)

    def record(self, content: Any) -> FeedbackAnswer:
        """Store the feedback in the decoded body of a request.

        Raises:
            ProblemError: It is not valid, its prediction is unknown, or it cannot be stored now.
            ModelUnavailableError: The model cannot be loaded now.
        """
        self.require_table()
        request = _parse(content)
        prediction = PredictionId.parse(request.prediction_id)
        if prediction is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, UNKNOWN)
        try:
            label = self._find_labels(prediction.version).parse(request.label)
            stored = self._connect().store(prediction, label)
        except UnknownPredictionError:
            raise ProblemError(HTTPStatus.NOT_FOUND, UNKNOWN) from None
        except (FeedbackUnavailableError, StoreError) as error:
            record_feedback_failure(str(error))
            raise _unavailable() from error
        record_feedback(
            str(prediction),
            prediction.version,
            label,
            stored.predicted,
            agrees=stored.agrees_with(label),
            is_repeated=stored.repeats(label),
        )
        return FeedbackAnswer(
            prediction_id=str(prediction),
            label=_to_json(label),
            predicted_label=_to_json(stored.predicted),
        )

    def _connect(self) -> FeedbackStore:
        with self._lock:
            if self._store is None:
                self._store = FeedbackStore(self._settings.prediction_table)
            return self._store

    def _find_labels(self, version: str) -> LabelSet:
        """Return the labels of a version of the model.

        Raises:
            UnknownPredictionError: There is no such version where the model came from.
            StoreError: Its manifest cannot be read now.
        """
        model = self._loader.get_model()
        if version == model.classifier.version:
            return LabelSet.of(model.manifest)
        if version not in self._label_sets:
            found = self._fetch_labels(version)
            if len(self._label_sets) >= MAX_VERSIONS:
                self._label_sets.clear()
            self._label_sets[version] = found
        return self._label_sets[version]

    def _fetch_labels(self, version: str) -> LabelSet:
        uri = self._settings.model_uri
        if uri.startswith(FILE_SCHEME):  # a folder holds one version
            raise UnknownPredictionError
        store = uri.rpartition("/")[0]
        try:
            return LabelSet.of(fetch_manifest(f"{store}/{version}").manifest)
        except StoreError as error:
            if is_missing(error):
                raise UnknownPredictionError from None
            raise


def _parse(content: Any) -> FeedbackRequest:
    if not isinstance(content, dict):
        raise invalid([FieldError(field="", message="Input should be an object")])
    if unknown := [name for name in content if name not in FIELDS]:
        raise invalid([FieldError(field=repeat(name), message="Unknown field") for name in unknown])
    errors = find_errors(content, CHECKS)
    errors += [
        FieldError(field=name, message="Field required") for name in FIELDS if name not in content
    ]
    if errors:
        raise invalid(errors)
    return FeedbackRequest(**content)


def _to_json(labels: Labels) -> str | list[str]:
    return labels if isinstance(labels, str) else list(labels)


def _wrong(message: str) -> ProblemError:
    return invalid([FieldError(field="label", message=message)])


def _unavailable() -> ProblemError:
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Feedback cannot be stored now.",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )
