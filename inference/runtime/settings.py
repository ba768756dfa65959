"""The environment variables of the functions, validated once at the start."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from inference.errors import TextClassifierError

# The only folder that is writable in Lambda. Every bundle in it is verified before it is used.
MODEL_CACHE = Path("/tmp/models")  # noqa: S108

MAX_CHARACTERS = 10_000  # of a text, by default
FLAGS = {"log_text"}  # the settings that are on or off
SPELLINGS = {"y": "true", "yes": "true", "on": "true", "t": "true"}
SPELLINGS |= {"n": "false", "no": "false", "off": "false", "f": "false"}
# What msgspec says, and what people are told. All variables are strings, so that is no reason.
WORDS = {
    ", got `str`": "",
    "`int`": "a whole number",
    "`float`": "a number",
    "`bool`": "true or false",
    "`str` matching": "something that matches",
}


class SettingsError(TextClassifierError):
    """An environment variable is missing or wrong; the message names it."""


class Settings(Struct, frozen=True, kw_only=True):
    """The settings; each is read from the environment variable of its name in capitals."""

    model_uri: Annotated[str, Meta(pattern=r"^(s3|file)://")]
    model_cache: Path = MODEL_CACHE
    # For a whole download with its retries; Lambda allows 10 s for the init phase.
    model_timeout_seconds: Annotated[float, Meta(gt=0)] = 8.0
    max_texts: Annotated[int, Meta(gt=0)] = 128  # per request
    max_characters: Annotated[int, Meta(gt=0)] = MAX_CHARACTERS  # per text
    max_body_bytes: Annotated[int, Meta(gt=0)] = 1_000_000
    cors_origin: str = ""  # like https://example.com, or *; empty: requests from no other site
    metrics_namespace: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._/#-]{1,255}\Z")] = (
        "TextClassifier"
    )
    prediction_table: Annotated[str, Meta(pattern=r"^([A-Za-z0-9._-]{3,255})?\Z")] = ""  # no log
    prediction_ttl_days: Annotated[int, Meta(gt=0)] = 30
    prediction_timeout_ms: Annotated[int, Meta(gt=0)] = 200  # how long an answer waits for the log
    # Where the answers to the messages of a queue go: an SQS queue, or s3://BUCKET/PREFIX.
    results_queue_url: Annotated[str, Meta(pattern=r"^(https?://\S+)?\Z")] = ""
    results_uri: Annotated[str, Meta(pattern=r"^(s3://\S+)?\Z")] = ""
    drift_hours: Annotated[int, Meta(gt=0)] = 24  # how far back the drift function looks
    live_function: str = ""  # whose model the drift function measures; empty: that of model_uri
    log_text: bool = False  # whether the logs and the prediction table may contain the texts


def find_model_cache() -> Path:
    """Return where a command keeps bundles: MODEL_CACHE, or the user's own cache.

    Other users can write to a folder of ``/tmp``, and so change a file after it was verified.
    """
    if chosen := os.environ.get("MODEL_CACHE"):
        return Path(chosen)
    try:
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # a user without a home, as in some containers, where it is alone
        return MODEL_CACHE
    return Path(caches) / "text-classifier" / "models"


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and validate the settings of this process.

    Raises:
        SettingsError: A variable is missing or wrong.
    """
    values = {
        name: environment[name.upper()]
        for name in Settings.__struct_fields__
        if name.upper() in environment
    }
    for name in FLAGS & values.keys():
        values[name] = SPELLINGS.get(values[name].lower(), values[name])
    if "model_uri" not in values:
        raise SettingsError("environment variable MODEL_URI is not set")
    try:
        return msgspec.convert(values, Settings, strict=False, dec_hook=_make_path)
    except msgspec.ValidationError as error:
        message, _, place = str(error).rpartition(" - at `$.")
        for theirs, ours in WORDS.items():
            message = message.replace(theirs, ours)
        name = place.rstrip("`").upper()
        shown = environment[name]
        raise SettingsError(f"environment variable {name} is {shown!r}: {message}") from None


def _make_path(kind: type, value: Any) -> Any:
    """Make a path of a string, which is the only type that msgspec does not know."""
    return kind(value)
