"""Classify rows and encode them, in every process of a run, local or on a stack."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.bulk.encoder import Encoder, Record, Value
from inference.tables.rows import Row

if TYPE_CHECKING:  # it imports onnxruntime, which only the workers of a run need
    from inference.model.classifier import Classifier, Prediction

DECIMALS = 6  # of a probability; int8 is no more exact than that


@dataclass(frozen=True)
class Piece:
    """A part of an output, and the number of its rows."""

    data: bytes
    rows: int


class Scorer:
    """Turns rows into pieces of an output."""

    def __init__(self, classifier: "Classifier", encoder: Encoder) -> None:
        self._classifier, self._encoder = classifier, encoder

    def score(self, rows: Sequence[Row]) -> Piece:
        """Classify rows; the same rows give the same bytes."""
        return Piece(self._encoder.encode(self._make_records(rows)), len(rows))

    def score_slice(self, rows: Sequence[Row]) -> list[str]:
        """Classify some rows of a chunk; returns what its piece has for each."""
        return self._encoder.encode_lines(self._make_records(rows))

    def join(self, lines: Sequence[str]) -> Piece:
        """Return the piece of a chunk whose slices were scored one by one."""
        return Piece(self._encoder.join(lines), len(lines))

    def _make_records(self, rows: Sequence[Row]) -> list[Record]:
        """Return the values of the output's columns for each row, in their order.

        A text that several rows have is classified once.
        """
        texts = list(dict.fromkeys([row.text for row in rows]))
        predictions = self._classifier.predict(texts)
        answers = dict(zip(texts, map(self._list_values, predictions), strict=True))
        return [(row.line, *row.kept, *answers[row.text]) for row in rows]

    def _list_values(self, prediction: "Prediction") -> tuple[Value, ...]:
        """Return the values of the columns that depend on the text."""
        label = prediction.label
        return (
            label,
            round(prediction.probabilities[label], DECIMALS),
            prediction.truncated,
            self._classifier.version,
            *self._join_labels(prediction),
            *_describe_abstention(prediction),
            *[round(probability, DECIMALS) for probability in prediction.probabilities.values()],
        )

    def _join_labels(self, prediction: "Prediction") -> tuple[Value, ...]:
        """Return the value of the column that only a model with several labels has.

        They are in the order of the model, so that the same labels are the same value.
        """
        labelling = self._classifier.labelling
        if labelling is None:
            return ()
        labels = [label for label in self._classifier.labels if label in prediction.all_labels]
        return (labelling.separator.join(labels),)


def _describe_abstention(prediction: "Prediction") -> tuple[Value, ...]:
    """Return the values of the columns that only a model with thresholds has."""
    if prediction.abstained is None:
        return ()
    return (prediction.abstained, prediction.abstention or "")
