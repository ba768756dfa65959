"""The bodies of the API's answers. OpenAPI shows their docstrings as descriptions.

Their schemas allow other fields too, because later versions may add some.
"""

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from inference.api.problems import FieldError

if TYPE_CHECKING:  # the loader imports numpy and onnxruntime in the meantime
    from inference.api.predictor import Classified
    from inference.model.classifier import Prediction


class Answer(BaseModel):
    """The label of a text and the probability of each label."""

    predicted_label: str = Field(examples=["Science"])
    confidence: float = Field(ge=0, le=1, description="The probability of the predicted label.")
    probabilities: dict[str, float] = Field(
        description="By label; they sum to 1. With `top_k`, those of the most probable labels, "
        "the most probable first."
    )
    truncated: bool = Field(description="Whether the text was longer than what was read of it.")


class OneAnswer(Answer):
    """The answer to one text."""

    model_version: str = Field(examples=["0123456789abcdef"])


class ItemError(BaseModel):
    """What is wrong with a text of a list, in the place of its answer (`on_error: item`)."""

    error: FieldError


class ManyAnswers(BaseModel):
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
    answers = [
        ItemError(error=prediction)
        if isinstance(prediction, FieldError)
        else answer_text(prediction, request.top_k)
        for prediction in classified.predictions
    ]
    if request.is_list:
        return ManyAnswers(predictions=answers, model_version=version)
    return OneAnswer(**answers[0].model_dump(), model_version=version)


def answer_one(prediction: "Prediction", version: str) -> OneAnswer:
    """Answer one text."""
    return OneAnswer(**answer_text(prediction).model_dump(), model_version=version)


def answer_text(prediction: "Prediction", top_k: int | None = None) -> Answer:
    """Answer a text of a list, with the probabilities of this many labels or of all."""
    probabilities = prediction.probabilities
    if top_k is not None:
        probabilities = rank(probabilities, top_k)
    return Answer(
        predicted_label=prediction.label,
        confidence=prediction.confidence,
        probabilities=probabilities,
        truncated=prediction.truncated,
    )


def rank(probabilities: dict[str, float], top_k: int | None) -> dict[str, float]:
    """Return the most probable labels, this many or all, the most probable first."""
    ranked = sorted(probabilities.items(), key=lambda pair: pair[1], reverse=True)
    return dict(ranked[:top_k])
