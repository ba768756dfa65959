"""The bodies of the API's answers. OpenAPI shows their docstrings as descriptions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:  # the loader imports numpy and onnxruntime in the meantime
    from inference.model.classifier import Prediction


class Answer(BaseModel):
    """The label of a text and the probability of each label."""

    model_config = ConfigDict(extra="forbid")

    predicted_label: str = Field(examples=["Science"])
    confidence: float = Field(ge=0, le=1, description="The probability of the predicted label.")
    probabilities: dict[str, float] = Field(description="By label; they sum to 1.")
    truncated: bool = Field(description="Whether the text was longer than the model reads.")


class OneAnswer(Answer):
    """The answer to one text."""

    model_version: str = Field(examples=["0123456789abcdef"])


class ManyAnswers(BaseModel):
    """The answers to a list of texts, in its order."""

    model_config = ConfigDict(extra="forbid")

    predictions: list[Answer]
    model_version: str = Field(examples=["0123456789abcdef"])


class Health(BaseModel):
    """The service can answer, with this version of the model."""

    model_config = ConfigDict(extra="forbid")

    status: str = Field(examples=["ok"])
    model_version: str = Field(examples=["0123456789abcdef"])


def answer_one(prediction: "Prediction", version: str) -> OneAnswer:
    """Answer one text."""
    return OneAnswer(**_answer(prediction).model_dump(), model_version=version)


def answer_many(predictions: "Sequence[Prediction]", version: str) -> ManyAnswers:
    """Answer a list of texts, in its order."""
    answers = [_answer(prediction) for prediction in predictions]
    return ManyAnswers(predictions=answers, model_version=version)


def _answer(prediction: "Prediction") -> Answer:
    return Answer(
        predicted_label=prediction.label,
        confidence=prediction.confidence,
        probabilities=prediction.probabilities,
        truncated=prediction.truncated,
    )
