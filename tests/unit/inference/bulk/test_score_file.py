from pathlib import Path

import pytest

from inference.bulk.request import BulkError, ScoringRequest
from inference.bulk.score_file import score_file
from inference.tables.columns import InputColumns
from tests.conftest import SAMPLE_MODEL

MODEL_URI = SAMPLE_MODEL.as_uri()
TEXT = InputColumns("text")


def test_a_summary_counts_rows_and_rejects(tmp_path: Path) -> None:
    # GIVEN a file with two rows and a blank one
    source = tmp_path / "in.csv"
    source.write_text("text,id\nFed holds rates,1\n,2\nMars probe lands,3\n")
    # WHEN it is scored
    request = ScoringRequest(str(source), str(tmp_path / "out.csv"), MODEL_URI, TEXT)
    summary = score_file(request, workers=1)
    # THEN rows and rejects are the rows of the file
    assert (summary.rows, summary.rejected) == (2, 1)
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3


def test_the_input_is_not_overwritten(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text\nFed\n")
    request = ScoringRequest(str(source), str(source), MODEL_URI, TEXT)
    with pytest.raises(BulkError, match="--output would overwrite the input"):
        score_file(request)
    assert source.read_text() == "text\nFed\n"


def test_an_input_without_a_readable_row_is_an_error_without_an_output(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"title": "Fed"}\n')
    request = ScoringRequest(str(source), str(tmp_path / "out.csv"), MODEL_URI, TEXT)
    with pytest.raises(BulkError, match="all 1 rows were rejected: is --text-column the right"):
        score_file(request, workers=1)
    assert not (tmp_path / "out.csv").exists()
