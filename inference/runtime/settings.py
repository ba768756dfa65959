"""The environment variables of the function, checked once at start."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class SettingsError(Exception):
    """An environment variable is missing or wrong; the message says what to set."""


class Settings(BaseModel):
    """What can be set; the environment variable is the field's name in capitals."""

    model_config = ConfigDict(frozen=True)

    model_uri: Annotated[str, Field(pattern=r"^(s3|file)://")]
    model_cache: Path = Path("/tmp/models")  # noqa: S108 - Lambda's only writable folder
    # Of one pull, retries included; less than the 10 s that Lambda gives to init.
    model_timeout_seconds: Annotated[float, Field(gt=0)] = 8.0
    max_texts: Annotated[int, Field(gt=0)] = 128  # in one request
    max_characters: Annotated[int, Field(gt=0)] = 10_000  # in one text
    max_body_bytes: Annotated[int, Field(gt=0)] = 1_000_000
    cors_origin: str = ""  # such as https://example.com, or *; empty: no other site may ask
    metrics_namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/#-]{1,255}$")] = (
        "TextClassifier"
    )
    prediction_table: Annotated[str, Field(pattern=r"^([A-Za-z0-9._-]{3,255})?$")] = ""  # or none
    prediction_ttl_days: Annotated[int, Field(gt=0)] = 30
    prediction_timeout_ms: Annotated[int, Field(gt=0)] = 200  # that an answer waits for the table
    drift_hours: Annotated[int, Field(gt=0)] = 24  # that the drift function looks back
    log_text: bool = False  # whether the logs, the table's too, may hold what was classified


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: one is missing or wrong.
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
