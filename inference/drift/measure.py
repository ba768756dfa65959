"""Measure the drift of a model from a sample of its recent predictions."""

from dataclasses import dataclass
from datetime import UTC, datetime

from inference.drift.reference import read_reference
from inference.drift.stability import Feature, measure_features
from inference.model.bundle import locating
from inference.model.store import fetch_manifest
from inference.prediction_log.sample import create_client, sample

MIN_TEXTS = 1_000  # in a window; with fewer, a shift may be due to chance
MAX_TEXTS = 10_000  # read from a window; at this size, chance moves the PSI far less than ALARM


@dataclass(frozen=True)
class Measurement:
    """A window of predictions and how far it is from the reference."""

    version: str  # of the model
    texts: int
    requests: int
    features: tuple[Feature, ...]  # none where the window has fewer than MIN_TEXTS


def measure_drift(model_uri: str, table: str, hours: int) -> Measurement:
    """Measure the drift of a model over the last hours.

    Args:
        model_uri: The model that made the predictions.
        table: The prediction log.
        hours: Whole hours before the current one, which is in the window too.

    Raises:
        BundleError: The bundle has no reference.
        StoreError: The bundle cannot be read.
    """
    published = fetch_manifest(model_uri)
    with locating(model_uri):
        reference, version = read_reference(published.manifest), published.version
    window = sample(create_client(), table, version, hours, datetime.now(UTC), MAX_TEXTS)
    requests = len({prediction.request_id for prediction in window})
    features = measure_features(reference, window) if len(window) >= MIN_TEXTS else []
    return Measurement(version, len(window), requests, tuple(features))
