"""The bodies of the API's answers. OpenAPI shows their docstrings as descriptions.

Their schemas allow other fields too, because later versions may add some.
"""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from inference.api.problems import FieldError
from inference.model.abstention import Abstention

if TYPE_CHECKING:  # the loader imports numpy and onnxruntime in the meantime
    from inference.api.predictor import Classified
    from inference.model.classifier import Prediction
    from inference.prediction_log.prediction_id import PredictionId


Contribution = Annotated[float, Field(ge=-1, le=1)]


class Body(BaseModel):
    """The base of answers: a field without a value is left out, not null."""

    def to_json(self) -> str:
        """Return the body of a response."""
        return self.model_dump_json(exclude_none=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as what ``json.dumps`` takes."""
        return self.model_dump(mode="json", exclude_none=True)


def _drop_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class Answer(Body):
    """The label of a text and the probability of each label."""

    predicted_label: str = Field(
        examples=["Science"],
        description="The most probable label. Where a text may have several, it is the first of "
        "`predicted_labels`, or the most probable label if those are none.",
    )
    confidence: float = Field(ge=0, le=1, description="The probability of the predicted label.")
    probabilities: dict[str, float] = Field(
        description="By label; they sum to 1, unless a text may have several labels. With `top_k`, "
        "those of the most probable labels, the most probable first."
    )
    predicted_labels: list[str] | SkipJsonSchema[None] = Field(
        default=None,
        description="All labels of the text, the most probable first; empty if it has none. "
        "Models that give each text one label leave the field out.",
        examples=[["Delivery", "Billing"]],
        json_schema_extra=_drop_default,
    )
    truncated: bool = Field(description="Whether the text was longer than what was read of it.")
    abstained: bool | SkipJsonSchema[None] = Field(
        default=None,
        description="Whether the label should not be acted on. Models without thresholds leave "
        "the field out.",
        json_schema_extra=_drop_default,
    )
    abstention_reason: Abstention | SkipJsonSchema[None] = Field(
        default=None,
        description="Why, if so: the confidence is too low for the precision that was asked for, "
        "or the text is unlike those that the model knows.",
        json_schema_extra=_drop_default,
    )
    prediction_id: str | SkipJsonSchema[None] = Field(
        default=None,
        description="Identifies the prediction for feedback. Services that keep no predictions "
        "leave the field out.",
        examples=["0123456789abcdef.c6af9ac6-7b61-11e6-9a41-93e8deadbeef.0"],
        json_schema_extra=_drop_default,
    )
    explanation: list[tuple[str, Contribution | None]] | SkipJsonSchema[None] = Field(
        default=None,
        description="With `explain`: the words of the text in their order, each with what it "
        "contributes to the probability of the predicted label; negative if it speaks against the "
        "label, and null if the model did not read the word.",
        examples=[[["Mars", 0.71], ["might", 0.02]]],
        json_schema_extra=_drop_default,
    )


class OneAnswer(Answer):
    """The answer to one text."""

    model_version: str = Field(examples=["0123456789abcdef"])


class ItemError(BaseModel):
    """What is wrong with a text of a list, in the place of its answer (`on_error: item`)."""

    error: FieldError


class ManyAnswers(Body):
    """The answers to a list of texts, in its order."""

    predictions: list[Answer | ItemError]
    model_version: str = Field(examples=["0123456789abcdef"])


class Health(BaseModel):
    """The service can answer, with this version of the model."""

    status: str = Field(examples=["ok"])
    model_version: str = Field(examples=["0123456789abcdef"])


def answer(classified: "Classified") -> OneAnswer | ManyAnswers:
    """Answer a request: one text with an object, a list with a list in its order."""
    request, version = classified.request, classified.version
    ids = classified.prediction_ids or [None] * len(classified.predictions)
    answers = [
        ItemError(error=prediction)
        if isinstance(prediction, FieldError)
        else answer_text(prediction, request.top_k, id_)
        for prediction, id_ in zip(classified.predictions, ids, strict=True)
    ]
    if request.is_list:
        return ManyAnswers(predictions=answers, model_version=version)
    return OneAnswer(**answers[0].model_dump(), model_version=version)


def answer_one(prediction: "Prediction", version: str) -> OneAnswer:
    """Answer one text."""
    return OneAnswer(**answer_text(prediction).model_dump(), model_version=version)


def answer_text(
    prediction: "Prediction", top_k: int | None = None, id_: "PredictionId | None" = None
) -> Answer:
    """Answer a text of a list, with the probabilities of this many labels or of all."""
    probabilities = prediction.probabilities
    if top_k is not None:
        probabilities = rank(probabilities, top_k)
    return Answer(
        predicted_label=prediction.label,
        confidence=prediction.confidence,
        probabilities=probabilities,
        predicted_labels=None if prediction.labels is None else list(prediction.labels),
        truncated=prediction.truncated,
        abstained=prediction.abstained,
        abstention_reason=prediction.abstention,
        explanation=None if prediction.explanation is None else list(prediction.explanation),
        prediction_id=None if id_ is None else str(id_),
    )


def rank(probabilities: dict[str, float], top_k: int | None) -> dict[str, float]:
    """Return the most probable labels, this many or all, the most probable first."""
    ranked = sorted(probabilities.items(), key=lambda pair: pair[1], reverse=True)
    return dict(ranked[:top_k])
