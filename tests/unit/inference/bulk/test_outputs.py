from pathlib import Path

import pytest

from inference.bulk.outputs import open_output
from inference.bulk.scorer import Layout, encode
from inference.tables.formats import BulkError, Format, format_of
from inference.tables.rows import Reject

LAYOUT = Layout((), ("a", "b"), Format("jsonl"))
RUN = {"model_version": "1"}


def start(path: Path, *pieces: bytes, run: dict[str, str] = RUN, finish: bool = False) -> int:
    """Write pieces of two rows each; returns the chunks that were there before."""
    with open_output(str(path), LAYOUT, run, resumable=True) as output:
        found = output.chunks
        for piece in pieces:
            output.write(piece, 2)
        if finish:
            output.finish()
    return found


def test_an_output_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.jsonl"
    start(path, b"one\n")
    assert not path.exists()
    start(path, finish=True)
    assert path.read_bytes() == b"one\n"
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "out.jsonl",
        "out.jsonl.rejects.csv",
    ]


def test_what_a_kill_left_half_written_is_written_again(tmp_path: Path) -> None:
    # GIVEN a run that was killed while it wrote its second piece
    path = tmp_path / "out.jsonl"
    start(path, b"one\n")
    with (tmp_path / "out.jsonl.partial" / "data").open("ab") as data:
        data.write(b"tw")
    # WHEN it is started again THEN it goes on after the first
    assert start(path, b"two\n", finish=True) == 1
    assert path.read_bytes() == b"one\ntwo\n"


def test_lost_data_is_not_taken_for_written(tmp_path: Path) -> None:
    # GIVEN a note of more than there is
    path = tmp_path / "out.jsonl"
    start(path, b"one\n", b"two\n")
    (tmp_path / "out.jsonl.partial" / "data").write_bytes(b"one\n")
    # WHEN the run is started again THEN it starts over
    assert start(path, b"one\n", b"two\n", finish=True) == 0
    assert path.read_bytes() == b"one\ntwo\n"


def test_another_run_does_not_go_on_from_this_one(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    start(path, b"one\n")
    with pytest.raises(BulkError, match=r"with another model_version: .* or delete the folder"):
        start(path, b"two\n", run={"model_version": "2"})
    assert start(path, finish=True) == 1


def test_a_run_that_got_nowhere_does_not_stand_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    start(path)
    assert start(path, b"two\n", run={"model_version": "2"}, finish=True) == 0
    assert path.read_bytes() == b"two\n"


def test_two_runs_do_not_write_one_output(tmp_path: Path) -> None:
    path = str(tmp_path / "out.jsonl")
    with (
        open_output(path, LAYOUT, RUN, resumable=True),
        pytest.raises(BulkError, match="another run is writing"),
        open_output(path, LAYOUT, RUN, resumable=True),
    ):
        pass


def test_rejects_are_a_table_beside_the_output(tmp_path: Path) -> None:
    with open_output(str(tmp_path / "out.csv"), LAYOUT, RUN, resumable=True) as output:
        output.reject(Reject(7, "expected ',' after"))
        output.finish()
    found = (tmp_path / "out.csv.rejects.csv").read_text()
    assert found == "line,reason\n7,\"expected ',' after\"\n"


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    with pytest.raises(BulkError, match="is a folder"):
        start(tmp_path)


def test_tsv_has_no_separator_within_a_value() -> None:
    layout = Layout(("note",), (), Format("tsv"))
    assert encode(layout, [[1, "a\tb\r\nc", True]]) == b"1\ta b  c\ttrue\n"


def test_columns_of_one_name_are_an_error() -> None:
    with pytest.raises(BulkError, match="--keep: two columns of one name"):
        Layout(("confidence",), ("a", "b"), Format("csv")).check()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("s3://bucket/news.2014.csv", Format("csv")),
        ("NEWS.TSV.GZ", Format("tsv", "gz")),
        ("rows.jsonl.zst", Format("jsonl", "zst")),
        ("rows.parquet", Format("parquet")),
    ],
)
def test_a_name_says_what_a_file_is(name: str, expected: Format) -> None:
    assert format_of(name) == expected


def test_the_user_knows_better_than_the_name() -> None:
    assert format_of("news.csv.xz", "tsv") == Format("tsv", "xz")
    assert format_of("-", "csv") == Format("csv")


@pytest.mark.parametrize("name", ["rows", "rows.txt", "rows.gz", "rows.parquet.gz", "-"])
def test_a_name_that_does_not_say_is_an_error(name: str) -> None:
    with pytest.raises(BulkError):
        format_of(name)


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv.zst"])
def test_what_needs_pyarrow_says_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.tables.formats.find_spec", lambda _: None)
    with pytest.raises(BulkError, match="needs pyarrow: pip install --group bulk"):
        format_of(name)
