"""Record what the functions do: JSON log lines and CloudWatch metrics, without texts by default.

Metrics are lines of the log too, in CloudWatch's embedded metric format (EMF), so emitting one
takes no call to AWS. The log line of a request is also its metrics, as far as one line can be:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from logging import INFO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from aws_lambda_powertools.logging.logger import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.metrics import Metrics

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
MAX_LINE_BYTES = 250_000  # CloudWatch reads no metrics from a line of more than 256 KB
REQUEST_KEYS = ("service", "cold_start", "function_request_id")  # of Powertools, in log lines

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
    labels: list[str | list[str]] = []
    counted: list[str] = []
    confidences, tokens = [], []
    for prediction in predictions:
        first, several = prediction.label, prediction.labels
        labels.append(first if several is None else list(several))
        counted += (first,) if several is None else several
        confidences.append(round(prediction.probabilities[first], 4))
        tokens.append(prediction.tokens)
    milliseconds = round(milliseconds, 2)
    fields: dict[str, Any] = {
        "labels": labels,
        "confidences": confidences,
        "tokens": tokens,
        "latency_ms": milliseconds,
    }
    if predictions[0].can_abstain:
        fields["abstentions"] = [prediction.abstention for prediction in predictions]
    if texts is not None:
        fields["texts"] = list(texts)
    reasons = [each.abstention for each in predictions if each.abstention is not None]
    groups = (
        _split({"Confidence": confidences, "Tokens": tokens, "Latency": [milliseconds]}),
        _count("Predictions", "label", counted),
        _count("Abstentions", "reason", reasons),
    )
    _log_and_emit("predicted", fields, [group[0] for group in groups if group], version)
    for group in groups:
        for measured in group[1:]:  # for which there was no room in the line
            emit(measured.values, version, **measured.dimensions)


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
    for part in _split(values):
        properties = {"model_version": version} if version else {}
        _print(_to_emf([Measured(part.values, dimensions)], properties))


class Measured(NamedTuple):
    """Values of metrics that have the same dimensions."""

    values: Mapping[str, Sequence[float]]
    dimensions: Mapping[str, str] = MappingProxyType({})


def _log_and_emit(
    message: str, fields: Mapping[str, Any], measured: Sequence[Measured], version: str
) -> None:
    """Write one line that is a log line and, for CloudWatch, metrics; each has other dimensions.

    Most requests have one, so it does not go through ``logging``, which takes ten times as long.
    """
    if logger.log_level > INFO:  # the log level must not switch off the metrics
        _print(_to_emf(measured, {"model_version": version}))
        return
    now = time.time()
    keys = logger.get_current_keys()
    trace = os.environ.get("_X_AMZN_TRACE_ID", "").partition(";")[0].removeprefix("Root=")
    line = {
        "level": "INFO",
        "message": message,
        "timestamp": _format_second(int(now)).format(int(now % 1 * 1000)),
        **{name: keys[name] for name in REQUEST_KEYS if name in keys},
        **({"xray_trace_id": trace} if trace else {}),
        "model_version": version,
        **fields,
    }
    both = msgspec.json.encode(_to_emf(measured, {**line}))
    if len(both) <= MAX_LINE_BYTES:
        sys.stdout.write(both.decode() + "\n")
        return
    _print(line)  # with texts
    _print(_to_emf(measured, {"model_version": version}))


@lru_cache(1)
def _format_second(second: int) -> str:
    """Return a time in the form of Powertools, with a place for the milliseconds."""
    return time.strftime("%Y-%m-%d %H:%M:%S,{:03}%z", time.localtime(second))


def _print(line: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")


def _to_emf(measured: Sequence[Measured], line: dict[str, Any]) -> dict[str, Any]:
    """Make a line one of metrics, too; each of them has other dimensions."""
    line["service"] = SERVICE
    for values, dimensions in measured:
        line.update(dimensions)
        line.update(values)
    forms = tuple((tuple(values), tuple(dimensions)) for values, dimensions in measured)
    directives = _describe(metrics.namespace, forms)
    line["_aws"] = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": directives}
    return line


@lru_cache(256)
def _describe(
    namespace: str | None,  # noqa: ARG001  # of the metrics; the handler sets it
    forms: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...],
) -> msgspec.Raw:
    """Return what tells CloudWatch the units and dimensions of the metrics in a line, as JSON.

    Args:
        namespace: Of the metrics.
        forms: The names of metrics, and those of their dimensions.
    """
    directives: list[Any] = []
    for names, dimensions in forms:
        content: Any = metrics.serialize_metric_set(
            {name: {"Unit": UNITS[name].value, "Value": 0} for name in names},
            dict.fromkeys(("service", *dimensions), ""),
        )
        directives += content["_aws"]["CloudWatchMetrics"]
    return msgspec.Raw(msgspec.json.encode(directives))


def _count(metric: str, dimension: str, values: Iterable[str]) -> list[Measured]:
    """Count how often there is each value of a dimension."""
    counts: dict[str, int] = {}
    for value in values:  # mostly one, for which a Counter would take longer
        counts[value] = counts.get(value, 0) + 1
    # CloudWatch drops a metric whose dimension is not ASCII.
    return [
        Measured({metric: [n]}, {dimension: value if value.isascii() else _escape(value)})
        for value, n in counts.items()
    ]


def _escape(value: str) -> str:
    return value.encode("ascii", "backslashreplace").decode()


def _split(values: Mapping[str, Sequence[float]]) -> list[Measured]:
    """Split the values of metrics into what lines may hold."""
    most = max(map(len, values.values()))
    if most <= MAX_VALUES:
        return [Measured(values)]
    return [
        Measured(
            {
                name: part
                for name, numbers in values.items()
                if (part := numbers[start : start + MAX_VALUES])
            }
        )
        for start in range(0, most, MAX_VALUES)
    ]
