"""What the function tells of itself: JSON log lines and CloudWatch metrics, never a text.

Metrics are lines of the log too, in CloudWatch's embedded metric format (EMF), so they cost no
call: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

if TYPE_CHECKING:  # model.py imports it while the bundle comes
    from inference.drift.stability import Feature
    from inference.model.classifier import Prediction


SERVICE = "classifier"  # the dimension of every metric
UNITS = {
    "Predictions": MetricUnit.Count,  # of each label
    "Confidence": MetricUnit.NoUnit,
    "Tokens": MetricUnit.Count,
    "Latency": MetricUnit.Milliseconds,  # of classifying all texts of a request
    "ColdStarts": MetricUnit.Count,
    "ModelLoadSeconds": MetricUnit.Seconds,
    "ModelLoadFailures": MetricUnit.Count,
    "PredictionLogFailures": MetricUnit.Count,
    "PopulationStability": MetricUnit.NoUnit,  # of each feature that may drift
    "DriftedFeatures": MetricUnit.Count,
}
MAX_VALUES = 100  # of one metric in one EMF line

logger = Logger(service=SERVICE)
metrics = Metrics(service=SERVICE)  # in the namespace of the settings, which app.py names


def count_cold_start() -> None:
    """Count a request that found its environment new; provisioned ones are not."""
    if logger.get_current_keys()["cold_start"]:
        _emit({"ColdStarts": [1]})


def model_loaded(version: str, seconds: float) -> None:
    """Tell how long the model took to be had."""
    logger.info("model loaded", model_version=version, seconds=round(seconds, 3))
    _emit({"ModelLoadSeconds": [seconds]}, version)


def model_not_loaded(uri: str, cause: Exception) -> None:
    """Tell why the model cannot be had."""
    logger.error("model not loaded", model_uri=uri, cause=str(cause))
    _emit({"ModelLoadFailures": [1]})


def predicted(
    predictions: "Sequence[Prediction]",
    version: str,
    milliseconds: float,
    texts: Sequence[str] | None = None,
) -> None:
    """Tell of the predictions of one request, in its order.

    Args:
        predictions: one or more.
        version: of the model.
        milliseconds: that classifying all of them took.
        texts: what was classified, if the log may hold it.
    """
    labels = [prediction.label for prediction in predictions]
    confidences = [prediction.confidence for prediction in predictions]
    tokens = [prediction.tokens for prediction in predictions]
    fields = {
        "model_version": version,
        "labels": labels,
        "confidences": [round(confidence, 4) for confidence in confidences],
        "tokens": tokens,
        "latency_ms": round(milliseconds, 2),
    }
    logger.info("predicted", extra=fields if texts is None else {**fields, "texts": list(texts)})
    _emit({"Confidence": confidences, "Tokens": tokens, "Latency": [milliseconds]}, version)
    for label, count in Counter(labels).items():
        # CloudWatch drops a metric whose dimension is not ASCII.
        dimension = label.encode("ascii", "backslashreplace").decode()
        _emit({"Predictions": [count]}, version, label=dimension)


def predictions_lost(count: int, cause: str) -> None:
    """Tell that predictions were answered and yet did not get into the prediction log."""
    logger.error("predictions not logged", lost=count, cause=cause)
    _emit({"PredictionLogFailures": [count]})


def drift_measured(version: str, texts: int, features: "Sequence[Feature]") -> None:
    """Tell how far a window of predictions is from those on the held-out texts."""
    found = {
        one.name: {"psi": round(one.psi, 4), "limit": round(one.limit, 4), "drifted": one.drifted}
        for one in features
    }
    logger.info("drift measured", model_version=version, texts=texts, features=found)
    for one in features:
        _emit({"PopulationStability": [one.psi]}, version, feature=one.name)
    _emit({"DriftedFeatures": [sum(one.drifted for one in features)]}, version)


def drift_not_measured(version: str, texts: int, needed: int) -> None:
    """Tell that a window has too few predictions to tell a shift from chance."""
    logger.info("drift not measured", model_version=version, texts=texts, needed=needed)


def _emit(values: Mapping[str, Sequence[float]], version: str = "", **dimensions: str) -> None:
    """Print metrics, each with all its values, in as many lines as that needs.

    The model's version is a property of the line, which Logs Insights can select by, and no
    dimension: each version would be so many metrics more to pay for.
    """
    for start in range(0, max(map(len, values.values())), MAX_VALUES):
        # Given to add_metric one by one, a request's values cost the square of their number.
        line = metrics.serialize_metric_set(
            {
                name: {"Unit": UNITS[name].value, "Value": part}
                for name, numbers in values.items()
                if (part := numbers[start : start + MAX_VALUES])
            },
            {"service": SERVICE, **dimensions},
        )
        properties = {"model_version": version} if version else {}
        print(json.dumps({**line, **properties}, separators=(",", ":")))
