"""The Lambda function that measures drift on a schedule, as metrics and a log line.

Errors are raised: Lambda retries the call twice, and an alarm of the stack counts them.
"""

from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from inference.aws import make_client, read_live_model
from inference.drift.measure import MIN_TEXTS, Measurement, measure_drift
from inference.drift.stability import LABEL, Feature
from inference.runtime.settings import SettingsError, read_settings
from inference.runtime.telemetry import emit, logger, metrics

settings = read_settings()
if not settings.prediction_table:
    raise SettingsError("environment variable PREDICTION_TABLE is not set: there is no log to read")
metrics.namespace = settings.metrics_namespace


@logger.inject_lambda_context(log_event=False)  # whatever POWERTOOLS_LOGGER_LOG_EVENT says
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 - from Lambda
    """Measure the model that serves; the event of the schedule is ignored."""
    model_uri = find_model()
    measured = measure_drift(model_uri, settings.prediction_table, settings.drift_hours)
    if measured.features:
        record_drift(measured)
    else:
        record_skipped_drift(measured)


def find_model() -> str:
    """Return the model of the version behind ``live``, or else the one that the settings name."""
    if not settings.live_function:
        return settings.model_uri
    lambda_ = make_client("lambda", connect=2, read=10, attempts=4)
    return read_live_model(lambda_, settings.live_function)


def record_drift(measured: Measurement) -> None:
    """Record how far each feature of a window of predictions is from the held-out texts."""
    features = {
        feature.name: {
            "psi": round(feature.psi, 4),
            "limit": round(feature.limit, 4),
            "drifted": feature.drifted,
        }
        for feature in measured.features
    }
    version = measured.version
    logger.info("drift measured", model_version=version, texts=measured.texts, features=features)
    for name, psi in find_greatest(measured.features).items():
        emit({"PopulationStability": [psi]}, version, feature=name)
    emit({"DriftedFeatures": [sum(feature.drifted for feature in measured.features)]}, version)


def find_greatest(features: Sequence[Feature]) -> dict[str, float]:
    """Return the PSI by the name of a metric: of the features of single labels, the greatest.

    A metric for each label would have to be paid for.
    """
    greatest: dict[str, float] = {}
    for feature in features:
        name = LABEL if feature.is_of_one_label else feature.name
        greatest[name] = max(feature.psi, greatest.get(name, 0.0))
    return greatest


def record_skipped_drift(measured: Measurement) -> None:
    """Record that a window has too few predictions to tell drift from chance."""
    logger.info(
        "drift not measured",
        model_version=measured.version,
        texts=measured.texts,
        needed=MIN_TEXTS,
    )
