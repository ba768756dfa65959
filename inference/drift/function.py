"""The Lambda function that measures drift on a schedule, as metrics and a log line.

Errors are raised: Lambda retries the call twice, and an alarm of the stack counts them.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from inference.drift.measure import MIN_TEXTS, measure_drift
from inference.runtime.settings import SettingsError, read_settings
from inference.runtime.telemetry import (
    FeatureDrift,
    logger,
    metrics,
    record_drift,
    record_skipped_drift,
)

settings = read_settings()
if not settings.prediction_table:
    raise SettingsError("environment variable PREDICTION_TABLE is not set: there is no log to read")
metrics.namespace = settings.metrics_namespace


@logger.inject_lambda_context(log_event=False)  # whatever POWERTOOLS_LOGGER_LOG_EVENT says
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 - from Lambda
    """Measure the model that the settings name; the event of the schedule is ignored."""
    measured = measure_drift(settings.model_uri, settings.prediction_table, settings.drift_hours)
    if not measured.features:
        record_skipped_drift(measured.version, measured.texts, MIN_TEXTS)
        return
    features = {
        feature.name: FeatureDrift(psi=feature.psi, limit=feature.limit, drifted=feature.drifted)
        for feature in measured.features
    }
    record_drift(measured.version, measured.texts, features)
