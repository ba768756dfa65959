import json

from inference.bulk.encoder import Encoder, OutputColumns
from inference.bulk.scorer import Scorer
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from inference.tables.formats import FileType
from inference.tables.rows import Row
from tests.conftest import SAMPLE_MODEL


def test_each_row_gets_the_prediction_of_its_text_with_six_decimals() -> None:
    # GIVEN the shipped model and two rows
    classifier = Classifier.load(read_verified(SAMPLE_MODEL))
    encoder = Encoder(OutputColumns(("id",), classifier.labels), FileType("jsonl"))
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
            **{f"probability_{k}": round(v, 6) for k, v in prediction.probabilities.items()},
        }
