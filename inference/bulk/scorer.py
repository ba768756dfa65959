"""Classify rows and encode them, in every process of a run, local or on a stack."""

from collections.abc import Sequence
from dataclasses import dataclass

from inference.bulk.encoder import Encoder, Value
from inference.model.classifier import Classifier, Prediction
from inference.tables.rows import Row

DECIMALS = 6  # of a probability; int8 is no more exact than that


@dataclass(frozen=True)
class Piece:
    """A part of an output, and the number of its rows."""

    data: bytes
    rows: int


class Scorer:
    """Turns rows into pieces of an output."""

    def __init__(self, classifier: Classifier, encoder: Encoder) -> None:
        self._classifier, self._encoder = classifier, encoder

    def score(self, rows: Sequence[Row]) -> Piece:
        """Classify rows; the same rows give the same bytes."""
        predictions = self._classifier.predict([row.text for row in rows])
        records = [
            self._to_record(row, prediction)
            for row, prediction in zip(rows, predictions, strict=True)
        ]
        return Piece(self._encoder.encode(records), len(records))

    def _to_record(self, row: Row, prediction: Prediction) -> list[Value]:
        """Return the values of the output's columns, in their order."""
        return [
            row.line,
            *row.kept,
            prediction.label,
            round(prediction.confidence, DECIMALS),
            prediction.truncated,
            self._classifier.version,
            *self._join_labels(prediction),
            *_describe_abstention(prediction),
            *(round(probability, DECIMALS) for probability in prediction.probabilities.values()),
        ]

    def _join_labels(self, prediction: Prediction) -> list[Value]:
        """Return the value of the column that only a model with several labels has.

        They are in the order of the model, so that the same labels are the same value.
        """
        labelling = self._classifier.labelling
        if labelling is None:
            return []
        labels = [label for label in self._classifier.labels if label in prediction.all_labels]
        return [labelling.separator.join(labels)]


def _describe_abstention(prediction: Prediction) -> list[Value]:
    """Return the values of the columns that only a model with thresholds has."""
    if prediction.abstained is None:
        return []
    return [prediction.abstained, prediction.abstention or ""]
