import os
from pathlib import Path

import pytest

from inference.bulk import encoder
from inference.bulk.file_output import FileOutput
from inference.bulk.request import BulkError, ScoringRequest
from inference.bulk.score_file import score_file
from inference.errors import InterruptedRunError, TextClassifierError
from inference.tables.columns import InputColumns
from inference.tables.inputs import Input
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
    assert (summary.rows, summary.bad_rows.count) == (2, 1)
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
    with pytest.raises(
        BulkError,
        match=r"all 1 rows were rejected; the first is line 1: no key 'text': .*; is --text",
    ):
        score_file(request, workers=1)
    assert list(tmp_path.iterdir()) == [source]


def test_it_is_said_how_the_input_is_read_before_it_is_scored(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("id;text\n1;Fed\n")
    output = tmp_path / "out.csv"
    said: list[str] = []

    def on_open(opened: Input) -> None:
        assert not output.exists()
        said.append(opened.layout.describe())

    score_file(ScoringRequest(str(source), str(output), MODEL_URI, TEXT), 1, on_open)
    assert said == ["csv, delimiter semicolon, quoting standard, encoding utf-8, header in line 1"]


@pytest.mark.parametrize(
    ("content", "model_uri", "message"),
    [
        (b"id,body\n1,Fed\n", MODEL_URI, "no column 'text'"),
        (b"text\nCaf\xe9\n", MODEL_URI, "not UTF-8"),
        (b'[{"text": "Fed"}]', MODEL_URI, "JSON array"),
        (b"text\nFed\n", "file:///not-there", "not-there"),
    ],
)
def test_a_run_that_cannot_succeed_leaves_nothing(
    content: bytes, model_uri: str, message: str, tmp_path: Path
) -> None:
    # GIVEN an earlier output, and a request that cannot be fulfilled
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(content)
    output.write_text("earlier")
    # WHEN it is made THEN nothing has changed
    with pytest.raises(TextClassifierError, match=message):
        score_file(ScoringRequest(str(source), str(output), model_uri, TEXT), 1)
    assert {file.name for file in tmp_path.iterdir()} == {"in.csv", "out.csv"}
    assert output.read_text() == "earlier"


def test_parquet_cannot_be_written_to_a_stream(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.parquet")
    (tmp_path / "in.csv").write_text("text\nFed\n")
    request = ScoringRequest(
        str(tmp_path / "in.csv"), str(tmp_path / "out.parquet"), MODEL_URI, TEXT
    )
    with pytest.raises(BulkError, match="takes no Parquet, which is written at the end: name a"):
        score_file(request, 1)


def test_the_name_of_a_file_need_not_be_utf_8(tmp_path: Path) -> None:
    # GIVEN a file whose name is in an older encoding
    source = tmp_path / os.fsdecode(b"caf\xe9.csv")
    try:
        source.write_text("text\nFed holds rates\n")
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    # WHEN it is scored THEN the progress can be noted
    request = ScoringRequest(str(source), str(tmp_path / "out.csv"), MODEL_URI, TEXT)
    assert score_file(request, workers=1).rows == 1


def test_a_run_is_resumed_only_by_a_release_with_the_same_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a run that was interrupted after a chunk
    (tmp_path / "in.csv").write_text("text\nFed holds rates\n")
    request = ScoringRequest(str(tmp_path / "in.csv"), str(tmp_path / "out.csv"), MODEL_URI, TEXT)
    with monkeypatch.context() as interrupted:
        interrupted.setattr(FileOutput, "finish", interrupt)
        with pytest.raises(InterruptedRunError):
            score_file(request, 1)
    # WHEN a release with another column repeats it THEN rows of both are not mixed
    monkeypatch.setattr(encoder, "_PREDICTION", (*encoder._PREDICTION, "language"))
    with pytest.raises(BulkError, match="a run with another output_columns: repeat that command"):
        score_file(request, 1)


def interrupt(_: FileOutput) -> None:
    """Press Ctrl-C."""
    raise KeyboardInterrupt
