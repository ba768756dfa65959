import os
import threading
from pathlib import Path

import pytest

from inference.bulk.encoder import Encoder, OutputColumns
from inference.bulk.outputs import open_output
from inference.bulk.scorer import Piece
from inference.errors import InterruptedRunError
from inference.tables.bad_rows import BadRows
from inference.tables.errors import TableError, UnreadableError
from inference.tables.formats import FileType
from inference.tables.rows import Reject
from inference.writing import OutputError

ENCODER = Encoder(OutputColumns((), ("a", "b")), FileType("jsonl"))


def test_a_pipe_gets_pieces_at_once_and_rejects_go_to_stderr(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    # GIVEN stdout as the output
    with open_output("-", ENCODER, {}, BadRows("in.csv"), resumable=False) as output:
        # WHEN a piece and a reject are written
        output.write(Piece(b"one\n", 1))
        output.reject(Reject(7, "the text is blank", "' '"))
        # THEN they are there before the end
        out, err = capfdbinary.readouterr()
        assert out == b"one\n"
        assert err == b"rejected: line 7: the text is blank: ' '\n"
        assert (output.chunks, output.rows, output.bad_rows.count) == (1, 1, 1)


def test_a_file_is_closed_after_an_error(tmp_path: Path) -> None:
    # GIVEN a run that fails
    path = str(tmp_path / "out.jsonl")
    with (
        pytest.raises(ZeroDivisionError),
        open_output(path, ENCODER, {}, BadRows("in.csv"), resumable=True),
    ):
        _ = 1 / 0
    # WHEN it is started again THEN the lock is free
    with open_output(path, ENCODER, {}, BadRows("in.csv"), resumable=True) as output:
        assert output.chunks == 0


def fail(path: Path, error: BaseException, *, chunks: int, resumable: bool = True) -> None:
    """Run into an error after some chunks."""
    with open_output(str(path), ENCODER, {}, BadRows("in.csv"), resumable=resumable) as output:
        for _ in range(chunks):
            output.write(Piece(b"one\n", 1))
        raise error


@pytest.mark.parametrize(
    ("error", "chunks", "resumable", "is_kept"),
    [
        (TableError("no such column"), 0, True, False),
        (OSError("no worker"), 0, True, False),
        (TableError("the file is damaged"), 1, True, False),
        (UnreadableError("cannot be read: Input/output error"), 1, True, True),
        (OSError("no worker"), 1, True, True),
        (OSError("no worker"), 1, False, False),
    ],
)
def test_a_failed_run_leaves_what_it_can_go_on_from_and_nothing_else(
    error: Exception, chunks: int, *, resumable: bool, is_kept: bool, tmp_path: Path
) -> None:
    # GIVEN an earlier output
    path = tmp_path / "out.jsonl"
    path.write_text("earlier")
    # WHEN a run fails
    with pytest.raises(type(error), match=str(error)):
        fail(path, error, chunks=chunks, resumable=resumable)
    # THEN the output stays, and the folder does if the same run can go on
    assert path.read_text() == "earlier"
    left = {file.name for file in tmp_path.iterdir()} - {"out.jsonl"}
    assert left == ({"out.jsonl.partial"} if is_kept else set())


@pytest.mark.parametrize(
    ("chunks", "message"), [(1, "repeat the command to resume it"), (0, "nothing is kept")]
)
def test_an_interrupted_run_says_whether_it_can_be_resumed(
    chunks: int, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InterruptedRunError, match=message):
        fail(tmp_path / "out.jsonl", KeyboardInterrupt(), chunks=chunks)
    assert (tmp_path / "out.jsonl.partial").exists() == bool(chunks)


def finish(path: Path) -> None:
    """Write the output of a run that reads a pipe."""
    with open_output(str(path), ENCODER, {}, BadRows("-"), resumable=False) as output:
        output.write(Piece(b"one\n", 1))
        output.finish()


def test_an_interruption_after_the_last_row_of_a_pipe_says_where_the_output_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a run that reads a pipe, and a user who presses Ctrl-C while its output is moved
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("inference.bulk.file_output.place", interrupt)
    # WHEN it is finished THEN the message says where the output is, and it is there
    with pytest.raises(InterruptedRunError, match=r"finished output from .*partial: data and rej"):
        finish(tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl.partial" / "data").read_bytes() == b"one\n"


def test_folders_that_were_made_for_a_run_that_failed_are_deleted(tmp_path: Path) -> None:
    with pytest.raises(TableError):
        fail(tmp_path / "new" / "folder" / "out.jsonl", TableError("x"), chunks=0)
    assert not list(tmp_path.iterdir())


def test_a_fifo_gets_the_format_of_its_name_and_stays(tmp_path: Path) -> None:
    # GIVEN a named pipe with a reader
    fifo = tmp_path / "out.csv"
    os.mkfifo(fifo)
    read: list[bytes] = []
    thread = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    thread.start()
    # WHEN an output is written there
    encoder = Encoder(OutputColumns((), ("a", "b")), FileType("csv"))
    with open_output(str(fifo), encoder, {}, BadRows("in.csv"), resumable=True) as output:
        output.write(Piece(b"one\n", 1))
        output.finish()
    thread.join()
    # THEN the reader has it, header first, and nothing else was made
    assert read == [encoder.encode_header() + b"one\n"]
    assert fifo.is_fifo()
    assert list(tmp_path.iterdir()) == [fifo]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_device_that_is_full_is_named() -> None:
    with (
        pytest.raises(OutputError, match="cannot write /dev/full: No space left on device"),
        open_output("/dev/full", ENCODER, {}, BadRows("in.csv"), resumable=True) as output,
    ):
        output.write(Piece(b"one\n", 1))
