from pathlib import Path

import pytest

from inference.bulk.encoder import Encoder, OutputColumns
from inference.bulk.outputs import open_output
from inference.bulk.scorer import Piece
from inference.tables.formats import FileType
from inference.tables.rows import Reject

ENCODER = Encoder(OutputColumns((), ("a", "b")), FileType("jsonl"))


def test_a_pipe_gets_pieces_at_once_and_rejects_go_to_stderr(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    # GIVEN stdout as the output
    with open_output("-", ENCODER, {}, resumable=False) as output:
        # WHEN a piece and a reject are written
        output.write(Piece(b"one\n", 1))
        output.reject(Reject(7, "the text is blank"))
        # THEN they are there before the end
        out, err = capfdbinary.readouterr()
        assert out == b"one\n"
        assert err == b"rejected: line 7: the text is blank\n"
        assert (output.chunks, output.rows, output.rejected) == (1, 1, 1)


def test_a_file_is_closed_after_an_error(tmp_path: Path) -> None:
    # GIVEN a run that fails
    path = str(tmp_path / "out.jsonl")
    with pytest.raises(ZeroDivisionError), open_output(path, ENCODER, {}, resumable=True):
        _ = 1 / 0
    # WHEN it is started again THEN the lock is free
    with open_output(path, ENCODER, {}, resumable=True) as output:
        assert output.chunks == 0
