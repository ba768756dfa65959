"""Samples of a prediction log."""

from collections.abc import Sequence

from inference.prediction_log.table import LoggedPrediction


def log(labels: Sequence[str], texts: int = 1, confidence: float = 0.9) -> list[LoggedPrediction]:
    """Log one request per label, with as many texts, all answered with that label."""
    return [
        LoggedPrediction(str(request), label, confidence, 9, 0)
        for request, label in enumerate(labels)
        for _ in range(texts)
    ]


def mix(yes: int, no: int) -> list[str]:
    """List the labels of as many requests."""
    return ["yes"] * yes + ["no"] * no
