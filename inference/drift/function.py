"""The scheduled function: a window of the prediction log as metrics and a log line.

What fails is raised: Lambda tries it twice more, and the stack's alarm counts it.
"""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from inference.drift.stability import MAX_TEXTS, MIN_TEXTS, features
from inference.model.store import fetch_manifest
from inference.predictions.sample import client, sample
from inference.runtime.settings import SettingsError, read_settings
from inference.runtime.telemetry import drift_measured, drift_not_measured, logger, metrics

settings = read_settings()
if not settings.prediction_table:
    raise SettingsError("environment variable PREDICTION_TABLE is not set: there is no log to read")
metrics.namespace = settings.metrics_namespace


@logger.inject_lambda_context(log_event=False)  # whatever the environment says
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 - Lambda's own
    """Measure the model that the settings name; the schedule's event says nothing of use."""
    manifest, version = fetch_manifest(settings.model_uri)
    hours, now = settings.drift_hours, datetime.now(UTC)
    window = sample(client(), settings.prediction_table, version, hours, now, MAX_TEXTS)
    if len(window) < MIN_TEXTS:
        drift_not_measured(version, len(window), MIN_TEXTS)
    else:
        drift_measured(version, len(window), features(manifest.reference, window))
