from inference.bulk.encoder import Encoder, OutputColumns
from inference.bulk.pool import open_pool
from inference.bulk.scorer import Scorer
from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from inference.tables.formats import FileType
from inference.tables.rows import Row
from tests.conftest import SAMPLE_MODEL


def test_workers_give_the_pieces_of_one_process_in_the_order_of_the_chunks() -> None:
    # GIVEN more chunks than the pool holds at a time, the first of them the longest
    bundle = read_verified(SAMPLE_MODEL)
    encoder = Encoder(OutputColumns((), bundle.manifest.labels), FileType("csv"))
    chunks = [[Row(1, "Fed holds rates " * 20, ())] * 50]
    chunks += [[Row(line, f"Mars probe {line}", ())] for line in range(2, 8)]
    # WHEN two workers score them
    with open_pool(bundle, encoder, workers=2) as score_chunks:
        pieces = list(score_chunks(chunks))
    # THEN the pieces are those of a single process
    scorer = Scorer(Classifier.load(bundle), encoder)
    assert pieces == [scorer.score(chunk) for chunk in chunks]
