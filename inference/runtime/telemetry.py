"""Record what the functions do: JSON log lines and CloudWatch metrics, without texts by default.

Metrics are lines of the log too, in CloudWatch's embedded metric format (EMF), so emitting one
takes no call to AWS:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

if TYPE_CHECKING:  # the loader imports numpy and onnxruntime in the meantime
    from inference.model.classifier import Prediction

SERVICE = "classifier"  # a dimension of every metric
UNITS = {
    "Predictions": MetricUnit.Count,  # per label
    "Abstentions": MetricUnit.Count,  # per reason; of models with thresholds
    "Confidence": MetricUnit.NoUnit,
    "Tokens": MetricUnit.Count,
    "Latency": MetricUnit.Milliseconds,  # for classifying all texts of a request
    "ColdStarts": MetricUnit.Count,
    "ModelLoadSeconds": MetricUnit.Seconds,
    "ModelLoadFailures": MetricUnit.Count,
    "PredictionLogFailures": MetricUnit.Count,
    "Feedback": MetricUnit.Count,
    "FeedbackAgreement": MetricUnit.Count,  # 1 if the model was right, or else 0
    "FeedbackFailures": MetricUnit.Count,
    "PopulationStability": MetricUnit.NoUnit,  # per feature that may drift
    "DriftedFeatures": MetricUnit.Count,
}
MAX_VALUES = 100  # per metric and EMF line

logger = Logger(service=SERVICE)
metrics = Metrics(service=SERVICE)  # the handler sets the namespace


def count_cold_start() -> None:
    """Count a request that met a new environment, unless its concurrency is provisioned."""
    if logger.get_current_keys()["cold_start"]:
        emit({"ColdStarts": [1]})


def record_model_load(version: str, seconds: float) -> None:
    """Record the model load time."""
    logger.info("model loaded", model_version=version, seconds=round(seconds, 3))
    emit({"ModelLoadSeconds": [seconds]}, version)


def record_model_load_failure(uri: str, cause: Exception) -> None:
    """Record why the model could not be loaded."""
    logger.error("model not loaded", model_uri=uri, cause=str(cause))
    emit({"ModelLoadFailures": [1]})


def record_predictions(
    predictions: "Sequence[Prediction]",
    version: str,
    milliseconds: float,
    texts: Sequence[str] | None = None,
) -> None:
    """Record the predictions of a request, in its order.

    Args:
        predictions: At least one.
        version: Of the model.
        milliseconds: How long classifying all the texts took.
        texts: The classified texts, if the log may contain them.
    """
    labels = [
        prediction.label if prediction.labels is None else list(prediction.labels)
        for prediction in predictions
    ]
    confidences = [prediction.confidence for prediction in predictions]
    tokens = [prediction.tokens for prediction in predictions]
    fields = {
        "model_version": version,
        "labels": labels,
        "confidences": [round(confidence, 4) for confidence in confidences],
        "tokens": tokens,
        "latency_ms": round(milliseconds, 2),
    }
    reasons = Counter(each.abstention for each in predictions if each.abstention is not None)
    if predictions[0].can_abstain:
        fields["abstentions"] = [prediction.abstention for prediction in predictions]
    logger.info("predicted", extra=fields if texts is None else {**fields, "texts": list(texts)})
    emit({"Confidence": confidences, "Tokens": tokens, "Latency": [milliseconds]}, version)
    counts = Counter(label for prediction in predictions for label in prediction.all_labels)
    for label, count in counts.items():
        # CloudWatch drops a metric whose dimension is not ASCII.
        dimension = label.encode("ascii", "backslashreplace").decode()
        emit({"Predictions": [count]}, version, label=dimension)
    for reason, count in reasons.items():
        emit({"Abstentions": [count]}, version, reason=reason)


def record_lost_predictions(count: int, cause: str) -> None:
    """Record that predictions were answered but did not reach the prediction log."""
    logger.error("predictions not logged", lost=count, cause=cause)
    emit({"PredictionLogFailures": [count]})


def record_feedback(
    prediction_id: str,
    version: str,
    label: str | Sequence[str],
    predicted: str | Sequence[str],
    *,
    agrees: bool,
    is_repeated: bool,
) -> None:
    """Record what a client says about a prediction.

    Args:
        prediction_id: The id of the prediction.
        version: Of the model that predicted.
        label: What the text should have got: one of the model's labels, or several.
        predicted: What it got.
        agrees: Whether they are the same.
        is_repeated: Whether the client had said the same before, which is not counted again.
    """
    logger.info(
        "feedback",
        prediction_id=prediction_id,
        model_version=version,
        label=label,
        predicted_label=predicted,
        agrees=agrees,
    )
    if not is_repeated:
        emit({"Feedback": [1], "FeedbackAgreement": [1 if agrees else 0]}, version)


def record_feedback_failure(cause: str) -> None:
    """Record that feedback could not be stored."""
    logger.error("feedback not stored", cause=cause)
    emit({"FeedbackFailures": [1]})


def emit(values: Mapping[str, Sequence[float]], version: str = "", **dimensions: str) -> None:
    """Print metrics with all their values, in as many lines as necessary.

    The version is a property of the line, by which Logs Insights can filter. As a dimension, it
    would add a metric to pay for with each new version.
    """
    for start in range(0, max(map(len, values.values())), MAX_VALUES):
        # Passing the values to add_metric one by one takes time quadratic in their number.
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
