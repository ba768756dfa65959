import json
import resource
from pathlib import Path

import pyarrow.parquet
import pytest

from inference.bulk.encoder import Encoder, OutputColumns
from inference.bulk.outputs import open_output
from inference.bulk.request import BulkError
from inference.bulk.scorer import Piece
from inference.tables.bad_rows import BadRows
from inference.tables.formats import FileFormat, FileType
from inference.tables.rows import Reject
from inference.writing import OutputError

FINGERPRINT = {"model_version": "1"}
COLUMNS = OutputColumns((), ("a", "b"))
ENCODER = Encoder(COLUMNS, FileType("jsonl"))


def write(
    path: Path,
    *pieces: bytes,
    fingerprint: dict[str, str] = FINGERPRINT,
    file_format: FileFormat = "jsonl",
    finish: bool = False,
) -> int:
    """Write pieces of two rows each; return the number of chunks that were there before."""
    encoder = Encoder(COLUMNS, FileType(file_format))
    with open_output(str(path), encoder, fingerprint, BadRows("in.csv"), resumable=True) as output:
        before = output.chunks
        for piece in pieces:
            output.write(Piece(piece, 2))
        if finish:
            output.finish()
    return before


def test_an_output_appears_when_it_is_complete(tmp_path: Path) -> None:
    # GIVEN an output in a folder that does not exist yet
    path = tmp_path / "new" / "out.jsonl"
    # WHEN it is written THEN it is not there
    write(path, b"one\n")
    assert not path.exists()
    # ... until it is finished, and then nothing is left over
    write(path, finish=True)
    assert path.read_bytes() == b"one\n"
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "out.jsonl",
        "out.jsonl.rejects.csv",
    ]


def test_a_piece_that_a_kill_left_unfinished_is_written_again(tmp_path: Path) -> None:
    # GIVEN a run that was killed while it wrote its second piece
    path = tmp_path / "out.jsonl"
    write(path, b"one\n")
    with (tmp_path / "out.jsonl.partial" / "data").open("ab") as data:
        data.write(b"tw")
    # WHEN it is started again THEN it continues after the first piece
    assert write(path, b"two\n", finish=True) == 1
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_run_that_release_0_1_0_left_unfinished_is_resumed(tmp_path: Path) -> None:
    # GIVEN the folder of that release, killed while it wrote its second piece
    path, folder = tmp_path / "out.jsonl", tmp_path / "out.jsonl.partial"
    folder.mkdir()
    (folder / "data").write_bytes(b"one\ntw")
    (folder / "note.json").write_text(
        '{"run": {"model_version": "1"}, "chunks": 1, "rows": 2, "bytes": 4}'
    )
    # WHEN the run is started again THEN it continues after the first piece
    assert write(path, b"two\n", finish=True) == 1
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_later_release_finds_the_note_where_it_expects_it(tmp_path: Path) -> None:
    # GIVEN an unfinished run
    write(tmp_path / "out.jsonl", b"one\n")
    # WHEN its note is read THEN it has the name and the keys of release 0.1.0
    note = json.loads((tmp_path / "out.jsonl.partial" / "note.json").read_text())
    assert note == {"run": FINGERPRINT, "chunks": 1, "rows": 2, "bytes": 4}


def test_a_run_starts_over_when_its_data_was_lost(tmp_path: Path) -> None:
    # GIVEN a note of more data than there is
    path = tmp_path / "out.jsonl"
    write(path, b"one\n", b"two\n")
    (tmp_path / "out.jsonl.partial" / "data").write_bytes(b"one\n")
    # WHEN the run is started again THEN it starts over
    assert write(path, b"one\n", b"two\n", finish=True) == 0
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_run_does_not_continue_what_another_one_began(tmp_path: Path) -> None:
    # GIVEN an unfinished run
    path = tmp_path / "out.jsonl"
    write(path, b"one\n")
    # WHEN a run with another model writes to the same place THEN that is an error
    with pytest.raises(BulkError, match=r"with another model_version: .* or delete the folder"):
        write(path, b"two\n", fingerprint={"model_version": "2"})
    # ... and the first run can still be resumed
    assert write(path, finish=True) == 1


def test_a_run_without_rows_does_not_block_another_one(tmp_path: Path) -> None:
    # GIVEN a run that was stopped before its first piece
    path = tmp_path / "out.jsonl"
    write(path)
    # WHEN another run writes to the same place THEN it starts over
    assert write(path, b"two\n", fingerprint={"model_version": "2"}, finish=True) == 0
    assert path.read_bytes() == b"two\n"


def test_two_runs_cannot_write_the_same_output(tmp_path: Path) -> None:
    path = str(tmp_path / "out.jsonl")
    with (
        open_output(path, ENCODER, FINGERPRINT, BadRows("in.csv"), resumable=True),
        pytest.raises(BulkError, match="another run is writing"),
        open_output(path, ENCODER, FINGERPRINT, BadRows("in.csv"), resumable=True),
    ):
        pass


def test_rejects_are_in_a_table_next_to_the_output(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with open_output(str(path), ENCODER, FINGERPRINT, BadRows("in.csv"), resumable=True) as output:
        output.reject(Reject(7, "the text is blank"))
        output.finish()
    assert (
        tmp_path / "out.csv.rejects.csv"
    ).read_text() == "line,reason,excerpt\n7,the text is blank,\n"


def test_every_start_records_the_rejects_anew(tmp_path: Path) -> None:
    # GIVEN a run that was killed after a reject
    path = str(tmp_path / "out.csv")
    with open_output(path, ENCODER, FINGERPRINT, BadRows("in.csv"), resumable=True) as output:
        output.reject(Reject(7, "the text is blank"))
    # WHEN it is started again and meets the reject again THEN the table has it once
    with open_output(path, ENCODER, FINGERPRINT, BadRows("in.csv"), resumable=True) as output:
        output.reject(Reject(7, "the text is blank"))
        output.finish()
    assert (
        tmp_path / "out.csv.rejects.csv"
    ).read_text() == "line,reason,excerpt\n7,the text is blank,\n"


def test_a_finished_parquet_output_is_a_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    write(path, ENCODER.encode([[2, "a", 0.75, False, "1", 0.75, 0.25]]))
    write(path, file_format="parquet", finish=True)
    (row,) = pyarrow.parquet.read_table(path).to_pylist()
    assert (row["line"], row["predicted_label"], row["probability_b"]) == (2, "a", 0.25)


@pytest.mark.parametrize(
    "note", [b"", b"{}", b'{"run": {"model_ver', b"[1, 2]", b"\xff\x00", b"null"]
)
def test_a_note_that_cannot_be_read_says_what_to_delete(note: bytes, tmp_path: Path) -> None:
    # GIVEN an unfinished run whose note is of something else, or broke off
    path = tmp_path / "out.jsonl"
    write(path, b"one\n")
    (tmp_path / "out.jsonl.partial" / "note.json").write_bytes(note)
    # WHEN it is started again THEN the error says what to do, and nothing is lost meanwhile
    with pytest.raises(
        BulkError, match=r"note\.json is not the note .*: delete .*\.partial to start"
    ):
        write(path)
    assert (tmp_path / "out.jsonl.partial" / "data").read_bytes() == b"one\n"


def test_a_folder_in_the_place_of_the_rejects_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "out.csv.rejects.csv").mkdir()
    with pytest.raises(BulkError, match=r"rejects\.csv is a folder, and the rejects go there"):
        write(tmp_path / "out.csv")
    assert not (tmp_path / "out.csv.partial").exists()


def test_a_full_disk_names_the_file_and_the_same_run_goes_on(tmp_path: Path) -> None:
    # GIVEN a run that may write 100,000 bytes to a file
    path = tmp_path / "out.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        # WHEN it writes more THEN the error names the file and says how to go on
        with pytest.raises(OutputError, match=r"partial/data: File too large; .* goes on from"):
            write(path, b"one\n", b"x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    # ... which is true
    assert write(path, b"two\n", finish=True) == 1
    assert path.read_bytes() == b"one\ntwo\n"


def finish_without_a_place(path: Path, *, resumable: bool) -> None:
    """Write a piece, and finish while a folder is in the place of what is made of it."""
    file_format: FileFormat = "parquet" if path.suffix == ".parquet" else "jsonl"
    encoder = Encoder(COLUMNS, FileType(file_format))
    bad_rows = BadRows("in")
    with open_output(str(path), encoder, FINGERPRINT, bad_rows, resumable=resumable) as output:
        output.write(Piece(b"{}\n", 2))
        occupied = output.folder / "parquet" if file_format == "parquet" else path
        (occupied / "folder").mkdir(parents=True)
        output.finish()


@pytest.mark.parametrize(
    ("name", "kept"), [("out.jsonl", "data"), ("out.parquet", "data (JSON lines) and rejects.csv")]
)
def test_the_finished_output_of_a_pipe_is_kept_if_it_cannot_be_placed(
    name: str, kept: str, tmp_path: Path
) -> None:
    # GIVEN a run that reads a pipe, which it cannot read again
    path, folder = tmp_path / name, tmp_path / f"{name}.partial"
    # WHEN its last step fails THEN the error says where the output is
    with pytest.raises(OutputError) as raised:
        finish_without_a_place(path, resumable=False)
    message = str(raised.value)
    assert message.endswith(f"; correct that, then take the finished output from {folder}: {kept}")
    # ... and it is there
    assert (folder / "data").read_bytes() == b"{}\n"


def test_an_output_of_a_file_that_cannot_be_placed_is_finished_by_the_same_run(
    tmp_path: Path,
) -> None:
    # GIVEN a run that reads a file, and whose last step failed
    path = tmp_path / "out.jsonl"
    with pytest.raises(OutputError, match="goes on from there"):
        finish_without_a_place(path, resumable=True)
    # WHEN the place is free, and the run is repeated THEN it goes on from there
    (path / "folder").rmdir()
    path.rmdir()
    assert write(path, finish=True) == 1
    assert path.read_bytes() == b"{}\n"
