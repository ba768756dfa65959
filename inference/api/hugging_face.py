"""``POST /hf``: requests and answers as the clients of Hugging Face know them.

The task's requests and answers are specified at
https://huggingface.co/docs/inference-providers/tasks/text-classification
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from inference.api.answers import rank
from inference.api.predictor import Classified
from inference.api.problems import FieldError, repeat
from inference.api.requests import (
    LIST_FIELD,
    PredictRequest,
    RequestParser,
    find_errors,
    invalid,
)
from inference.api.rules import check_choice, check_count, check_flag
from inference.model.labelling import Labelling

PARAMETERS = "parameters"
# The "options" of the hub, such as wait_for_model and use_cache, change no answer.
FIELDS = (LIST_FIELD, PARAMETERS, "options")


# Of the functions, a model has only the one that it was trained for; see `require_function`.
FUNCTIONS = ("softmax", "sigmoid")
# What is wrong with the value of each parameter, unless it is null. Others are ignored, as the hub
# does.
CHECKS: Mapping[str, Callable[[Any], str | None]] = {
    "top_k": check_count,
    "function_to_apply": lambda value: check_choice(value, FUNCTIONS),
    "truncation": check_flag,  # of the pipelines of transformers
}


def parse(content: Any, parser: RequestParser, max_texts: int) -> PredictRequest:
    """Validate the decoded body of a request.

    Raises:
        ProblemError: It is not valid.
    """
    if not isinstance(content, dict):
        raise invalid([FieldError(field="", message="Input should be an object")])
    given = content.get(PARAMETERS)
    if not isinstance(given, dict | None):
        raise invalid([FieldError(field=PARAMETERS, message="Input should be an object")])
    parameters = {name: value for name, value in (given or {}).items() if value is not None}
    if errors := find_errors(parameters, CHECKS, PARAMETERS):
        raise invalid(errors)
    if LIST_FIELD not in content:
        raise invalid([FieldError(field=LIST_FIELD, message="Field required")])
    if unknown := [name for name in content if name not in FIELDS]:
        raise invalid([FieldError(field=repeat(name), message="Unknown field") for name in unknown])
    options = {
        "truncate": parameters.get("truncation", False),
        "top_k": parameters.get("top_k"),
    }
    return parser.read({LIST_FIELD: content[LIST_FIELD], **options}, max_texts)


def require_function(content: Any, labelling: Labelling | None) -> None:
    """Require that a valid request asks for the function that the model has, if it asks for one.

    Raises:
        ProblemError: It asks for another one.
    """
    function, labels = ("sigmoid", "any number") if labelling else ("softmax", "one")
    asked = (content.get(PARAMETERS) or {}).get("function_to_apply")
    if asked not in (None, function):
        message = f"Input should be '{function}': a text has {labels} of this model's labels"
        raise invalid([FieldError(field=f"{PARAMETERS}.function_to_apply", message=message)])


def answer(classified: Classified) -> str:
    """Answer with a list for each text: its labels with their scores, the best one first."""
    return json.dumps(
        [
            _rank(prediction.probabilities, classified.request.top_k)
            for prediction in classified.predictions
            if not isinstance(prediction, FieldError)  # there are none: a wrong text is refused
        ]
    )


def _rank(probabilities: dict[str, float], top_k: int | None) -> list[dict[str, Any]]:
    ranked = rank(probabilities, top_k)
    return [{"label": label, "score": score} for label, score in ranked.items()]
