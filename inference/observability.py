"""What the function tells of itself: JSON log lines and CloudWatch metrics, never a text.

Metrics are lines of the log too, in CloudWatch's embedded metric format (EMF), so they cost no
call: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from collections import Counter
from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from inference.classifier import Prediction

SERVICE = "classifier"  # the dimension of every metric

logger = Logger(service=SERVICE)
metrics = Metrics(service=SERVICE)  # in the namespace of the settings, which app.py names


def count_cold_start() -> None:
    """Count a request that found its environment new; provisioned ones are not."""
    if logger.get_current_keys()["cold_start"]:
        metrics.add_metric("ColdStarts", MetricUnit.Count, 1)
        metrics.flush_metrics()


def model_loaded(version: str, seconds: float) -> None:
    """Tell how long the model took to be had."""
    logger.info("model loaded", model_version=version, seconds=round(seconds, 3))
    metrics.add_metric("ModelLoadSeconds", MetricUnit.Seconds, seconds)
    metrics.flush_metrics()


def model_not_loaded(uri: str, cause: Exception) -> None:
    """Tell why the model cannot be had."""
    logger.error("model not loaded", model_uri=uri, cause=str(cause))
    metrics.add_metric("ModelLoadFailures", MetricUnit.Count, 1)
    metrics.flush_metrics()


def predicted(
    predictions: Sequence[Prediction],
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
    fields = {
        "model_version": version,
        "labels": labels,
        "confidences": [round(prediction.confidence, 4) for prediction in predictions],
        "tokens": [prediction.tokens for prediction in predictions],
        "latency_ms": round(milliseconds, 2),
    }
    logger.info("predicted", extra=fields if texts is None else {**fields, "texts": list(texts)})
    for prediction in predictions:
        metrics.add_metric("Confidence", MetricUnit.NoUnit, prediction.confidence)
        metrics.add_metric("Tokens", MetricUnit.Count, prediction.tokens)
    metrics.add_metric("Latency", MetricUnit.Milliseconds, milliseconds)
    metrics.flush_metrics()
    for label, count in Counter(labels).items():
        # CloudWatch drops a metric whose dimension is not ASCII.
        name = label.encode("ascii", "backslashreplace").decode()
        dimensions = {"service": SERVICE, "label": name}
        with single_metric(
            "Predictions", MetricUnit.Count, count, 60, metrics.namespace, dimensions
        ):
            pass


def predictions_lost(count: int, cause: str) -> None:
    """Tell that predictions were answered and yet did not get into the prediction log."""
    logger.error("predictions not logged", lost=count, cause=cause)
    metrics.add_metric("PredictionLogFailures", MetricUnit.Count, count)
    metrics.flush_metrics()
