import json
import math
from collections.abc import Sequence

from inference.bulk.encoder import Encoder, OutputColumns
from inference.bulk.scorer import Scorer
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier, Prediction
from inference.tables.formats import FileType
from inference.tables.rows import Row
from tests.conftest import SAMPLE_MODEL

CSV = FileType("csv")


def describe_abstention(prediction: Prediction) -> dict[str, object]:
    """Return what a row of a model with thresholds has, and others lack."""
    if not prediction.can_abstain:
        return {}
    return {"abstained": prediction.abstained, "abstention_reason": prediction.abstention or ""}


def test_each_row_gets_the_prediction_of_its_text_with_six_decimals() -> None:
    # GIVEN the shipped model and two rows
    classifier = Classifier.load(read_verified(SAMPLE_MODEL))
    encoder = Encoder(OutputColumns.of(("id",), classifier), FileType("jsonl"))
    rows = [Row(2, "Fed holds rates", ("x",)), Row(5, "Mars probe lands", ("y",))]
    # WHEN they are scored
    piece = Scorer(classifier, encoder).score(rows)
    # THEN each has its line, what it keeps, and its prediction
    assert piece.rows == 2
    found = [json.loads(line) for line in piece.data.splitlines()]
    for record, row, prediction in zip(
        found, rows, classifier.predict([row.text for row in rows]), strict=True
    ):
        assert record == {
            "line": row.line,
            "id": row.kept[0],
            "predicted_label": prediction.label,
            "confidence": round(prediction.confidence, 6),
            "truncated": False,
            "model_version": classifier.version,
            **describe_abstention(prediction),
            **{f"probability_{k}": round(v, 6) for k, v in prediction.probabilities.items()},
        }


class Recording(Classifier):
    """A classifier that records the texts that it is given."""

    seen: list[str]

    def predict(self, texts: Sequence[str], seconds: float = math.inf) -> list[Prediction]:
        """Classify texts."""
        self.seen = list(texts)
        return super().predict(texts, seconds)


def test_a_text_that_several_rows_have_is_classified_once() -> None:
    # GIVEN rows of which three have the same text
    classifier = Recording.load(read_verified(SAMPLE_MODEL))
    scorer = Scorer(classifier, Encoder(OutputColumns.of(("id",), classifier), CSV))
    texts = ["Fed holds rates", "Mars probe lands", "Fed holds rates", "Flu", "Fed holds rates"]
    rows = [Row(line, text, (f"n{line}",)) for line, text in enumerate(texts, 2)]
    # WHEN they are scored
    piece = scorer.score(rows)
    # THEN the classifier saw each text once, and each row has what it has alone
    assert classifier.seen == ["Fed holds rates", "Mars probe lands", "Flu"]
    assert piece.rows == 5
    assert piece.data == b"".join(scorer.score([row]).data for row in rows)


def test_slices_make_the_piece_of_the_chunk() -> None:
    # GIVEN rows, and an output that is compressed
    classifier = Classifier.load(read_verified(SAMPLE_MODEL))
    file_type = FileType("csv", "gz")
    scorer = Scorer(classifier, Encoder(OutputColumns.of((), classifier), file_type))
    rows = [Row(line, f"Mars probe {line}", ()) for line in range(1, 8)]
    # WHEN they are scored in two slices THEN the bytes are those of the whole chunk
    lines = scorer.score_slice(rows[:3]) + scorer.score_slice(rows[3:])
    assert scorer.join(lines) == scorer.score(rows)
