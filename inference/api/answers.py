"""The bodies of the API's answers. OpenAPI shows their docstrings as descriptions.

Their schemas allow other fields too, because later versions may add some.
"""

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from inference.api.problems import FieldError
from inference.model.abstention import Abstention

if TYPE_CHECKING:  # the loader imports numpy and onnxruntime in the meantime
    from inference.api.predictor import Classified
    from inference.model.classifier import Prediction
    from inference.prediction_log.prediction_id import PredictionId


Contribution = Annotated[float, Meta(ge=-1, le=1)]
ID = "0123456789abcdef.c6af9ac6-7b61-11e6-9a41-93e8deadbeef.0"
Version = Annotated[str, Meta(examples=["0123456789abcdef"])]


class Body(Struct, kw_only=True):
    """The base of answers: a field that is not set is left out, not null."""

    def to_json(self) -> str:
        """Return the body of a response."""
        return msgspec.json.encode(self).decode()

    def to_dict(self) -> dict[str, Any]:
        """Return the same as what ``json.dumps`` takes."""
        content: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return content


class Answer(Body, kw_only=True):
    """The label of a text and the probability of each label."""

    predicted_label: Annotated[
        str,
        Meta(
            examples=["Science"],
            description="The most probable label. Where a text may have several, it is the first "
            "of `predicted_labels`, or the most probable label if those are none.",
        ),
    ]
    confidence: Annotated[
        float, Meta(ge=0, le=1, description="The probability of the predicted label.")
    ]
    probabilities: Annotated[
        dict[str, float],
        Meta(
            description="By label; they sum to 1, unless a text may have several labels. With "
            "`top_k`, those of the most probable labels, the most probable first."
        ),
    ]
    predicted_labels: Annotated[
        list[str] | UnsetType,
        Meta(
            description="All labels of the text, the most probable first; empty if it has none. "
            "Models that give each text one label leave the field out.",
            examples=[["Delivery", "Billing"]],
        ),
    ] = UNSET
    truncated: Annotated[
        bool, Meta(description="Whether the text was longer than what was read of it.")
    ]
    abstained: Annotated[
        bool | UnsetType,
        Meta(
            description="Whether the label should not be acted on. Models without thresholds leave "
            "the field out."
        ),
    ] = UNSET
    abstention_reason: Annotated[
        Abstention | UnsetType,
        Meta(
            description="Why, if so: the confidence is too low for the precision that was asked "
            "for, or the text is unlike those that the model knows."
        ),
    ] = UNSET
    prediction_id: Annotated[
        str | UnsetType,
        Meta(
            description="Identifies the prediction for feedback. Services that keep no predictions "
            "leave the field out.",
            examples=[ID],
        ),
    ] = UNSET
    explanation: Annotated[
        list[tuple[str, Contribution | None]] | UnsetType,
        Meta(
            description="With `explain`: the words of the text in their order, each with what it "
            "contributes to the probability of the predicted label; negative if it speaks against "
            "the label, and null if the model did not read the word.",
            examples=[[["Mars", 0.64], ["might", 0.01]]],
        ),
    ] = UNSET


class OneAnswer(Answer, kw_only=True):
    """The answer to one text."""

    model_version: Version


class ItemError(Body):
    """What is wrong with a text of a list, in the place of its answer (`on_error: item`)."""

    error: FieldError


class ManyAnswers(Body, kw_only=True):
    """The answers to a list of texts, in its order."""

    predictions: list[Answer | ItemError]
    model_version: Version


class Health(Body, kw_only=True):
    """The service can answer, with this version of the model."""

    status: Annotated[str, Meta(examples=["ok"])]
    model_version: Version


def answer(classified: "Classified") -> OneAnswer | ManyAnswers:
    """Answer a request: one text with an object, a list with a list in its order."""
    request, version = classified.request, classified.version
    ids = classified.prediction_ids or [None] * len(classified.predictions)
    first = classified.predictions[0]
    if not (request.is_list or isinstance(first, FieldError)):
        return OneAnswer(**_describe(first, request.top_k, ids[0]), model_version=version)
    answers = [
        ItemError(error=prediction)
        if isinstance(prediction, FieldError)
        else Answer(**_describe(prediction, request.top_k, id_))
        for prediction, id_ in zip(classified.predictions, ids, strict=True)
    ]
    return ManyAnswers(predictions=answers, model_version=version)


def answer_one(prediction: "Prediction", version: str) -> OneAnswer:
    """Answer one text."""
    return OneAnswer(**_describe(prediction), model_version=version)


def _describe(
    prediction: "Prediction", top_k: int | None = None, id_: "PredictionId | None" = None
) -> dict[str, Any]:
    """Return the fields of an answer, with the probabilities of this many labels or of all."""
    probabilities, abstained = prediction.probabilities, prediction.abstained
    label = prediction.label
    fields: dict[str, Any] = {
        "predicted_label": label,
        "confidence": probabilities[label],
        "probabilities": probabilities if top_k is None else rank(probabilities, top_k),
        "truncated": prediction.truncated,
    }
    if prediction.labels is not None:
        fields["predicted_labels"] = list(prediction.labels)
    if abstained is not None:
        fields["abstained"] = abstained
    if prediction.abstention is not None:
        fields["abstention_reason"] = prediction.abstention
    if prediction.explanation is not None:
        fields["explanation"] = list(prediction.explanation)
    if id_ is not None:
        fields["prediction_id"] = str(id_)
    return fields


def rank(probabilities: dict[str, float], top_k: int | None) -> dict[str, float]:
    """Return the most probable labels, this many or all, the most probable first."""
    ranked = sorted(probabilities.items(), key=lambda pair: pair[1], reverse=True)
    return dict(ranked[:top_k])
