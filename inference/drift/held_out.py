"""Make the reference from the predictions on the held-out texts; training puts it in bundles."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from inference.drift.reference import Reference
from inference.drift.stability import Feature, measure_features, smoothed_shares
from inference.model.abstention import OUTCOMES
from inference.model.classifier import Prediction

CONFIDENCE_PARTS = 100  # fine, because most confidences are close to 1


def measure_reference(predictions: Sequence[Prediction], clusters: NDArray[np.int64]) -> Reference:
    """Measure the distributions over held-out texts.

    Args:
        predictions: One for each text.
        clusters: The cluster of each text, such as its story; clusters are independent.
    """
    texts, tokens = len(predictions), sum(prediction.tokens for prediction in predictions)
    labels = Counter(label for prediction in predictions for label in prediction.all_labels)
    confidences = [prediction.confidence for prediction in predictions]
    lengths = Counter(prediction.tokens for prediction in predictions)
    histogram, _ = np.histogram(confidences, CONFIDENCE_PARTS, (0, 1))
    reference = Reference(
        texts=texts,
        labels={label: labels[label] / texts for label in predictions[0].probabilities},
        confidence=tuple((histogram / texts).tolist()),
        token_length={length: lengths[length] / texts for length in sorted(lengths)},
        unknown_tokens=sum(prediction.unknown_tokens for prediction in predictions) / tokens,
        outcomes=_measure_outcomes(predictions),
        several=None if predictions[0].labels is None else True,
    )
    members: dict[int, list[Prediction]] = {}
    for prediction, cluster in zip(predictions, clusters.tolist(), strict=True):
        members.setdefault(cluster, []).append(prediction)
    counted = [measure_features(reference, cluster) for cluster in members.values()]
    effects = {
        of_clusters[0].name: _design_effect(of_clusters)
        for of_clusters in zip(*counted, strict=True)
    }
    return replace(reference, design_effects=effects)


def _measure_outcomes(predictions: Sequence[Prediction]) -> dict[str, float] | None:
    """Return the share of each outcome, if the predictions are those of a model with thresholds."""
    counts = Counter(prediction.outcome for prediction in predictions)
    if None in counts:
        return None
    return {outcome: counts[outcome] / len(predictions) for outcome in OUTCOMES}


def _design_effect(feature_by_cluster: Sequence[Feature]) -> float:
    """Return how many times the variance of a feature's shares is that of independent texts.

    It is the mean over the bins, weighted as by Rao & Scott, and never less than 1.
    """
    counts = np.array([feature.window for feature in feature_by_cluster])  # (clusters, bins)
    expected = smoothed_shares(counts.sum(axis=0))
    residuals = counts - counts.sum(axis=1, keepdims=True) * expected
    ratio = (residuals**2).sum(axis=0) / (counts.sum() * expected)
    return max(1.0, float(ratio.sum()) / (len(expected) - 1))
