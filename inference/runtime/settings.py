"""The environment variables of the functions, validated once at the start.

pydantic-settings would do this too. It adds two packages to the image and a third to the import
time of pydantic, and a cold start can do nothing else before it knows its settings.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inference.errors import TextClassifierError

# The only folder that is writable in Lambda. Every bundle in it is verified before it is used.
MODEL_CACHE = Path("/tmp/models")  # noqa: S108


class SettingsError(TextClassifierError):
    """An environment variable is missing or wrong; the message names it."""


class Settings(BaseModel):
    """The settings; each is read from the environment variable of its name in capitals."""

    model_config = ConfigDict(frozen=True)

    model_uri: Annotated[str, Field(pattern=r"^(s3|file)://")]
    model_cache: Path = MODEL_CACHE
    # For a whole download with its retries; Lambda allows 10 s for the init phase.
    model_timeout_seconds: Annotated[float, Field(gt=0)] = 8.0
    max_texts: Annotated[int, Field(gt=0)] = 128  # per request
    max_characters: Annotated[int, Field(gt=0)] = 10_000  # per text
    max_body_bytes: Annotated[int, Field(gt=0)] = 1_000_000
    cors_origin: str = ""  # like https://example.com, or *; empty: requests from no other site
    metrics_namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/#-]{1,255}$")] = (
        "TextClassifier"
    )
    prediction_table: Annotated[str, Field(pattern=r"^([A-Za-z0-9._-]{3,255})?$")] = ""  # no log
    prediction_ttl_days: Annotated[int, Field(gt=0)] = 30
    prediction_timeout_ms: Annotated[int, Field(gt=0)] = 200  # how long an answer waits for the log
    # Where the answers to the messages of a queue go: an SQS queue, or s3://BUCKET/PREFIX.
    results_queue_url: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    results_uri: Annotated[str, Field(pattern=r"^(s3://\S+)?$")] = ""
    drift_hours: Annotated[int, Field(gt=0)] = 24  # how far back the drift function looks
    live_function: str = ""  # whose model the drift function measures; empty: that of model_uri
    log_text: bool = False  # whether the logs and the prediction table may contain the texts


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and validate the settings of this process.

    Raises:
        SettingsError: A variable is missing or wrong.
    """
    values = {
        name: environment[name.upper()]
        for name in Settings.model_fields
        if name.upper() in environment
    }
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]).upper()
        shown = f" is {environment[name]!r}" if name in environment else " is not set"
        raise SettingsError(f"environment variable {name}{shown}: {first['msg']}") from None
