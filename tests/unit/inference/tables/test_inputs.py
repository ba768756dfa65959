import bz2
import errno
import gzip
import io
import lzma
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from inference.tables.columns import InputColumns
from inference.tables.errors import TableError, UnreadableError
from inference.tables.inputs import identify, open_input
from inference.tables.options import ReadOptions
from inference.tables.rows import Reject, Row
from inference.writing import OutputError

TEXT = InputColumns("text", ("id",))
ROWS = b'id;text\n1;"Fed; again"\n2;Mars\n'
FOUND = [Row(2, "Fed; again", ("1",)), Row(3, "Mars", ("2",))]


def read(location: Path | str, folder: Path) -> list[Row | Reject]:
    identity = identify(str(location))
    with open_input(str(location), TEXT, ReadOptions(), identity, folder) as source:
        return list(source.rows(TEXT))


def zstd(data: bytes) -> bytes:
    return bytes(pyarrow.compress(data, "zstd", asbytes=True))


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
}


@pytest.mark.parametrize("compression", COMPRESS)
def test_a_compressed_file_is_known_by_its_first_bytes_and_read_to_its_end(
    compression: str, tmp_path: Path
) -> None:
    # GIVEN a file joined from two compressed ones, under a name that does not say so
    compress = COMPRESS[compression]
    file = tmp_path / "rows.csv"
    file.write_bytes(compress(ROWS[:20]) + compress(ROWS[20:]))
    # WHEN it is read THEN the rows of both are there
    assert read(file, tmp_path) == FOUND


@pytest.mark.parametrize("compression", COMPRESS)
def test_a_compressed_file_that_breaks_off_is_an_error(compression: str, tmp_path: Path) -> None:
    if not compression:
        return
    file = tmp_path / "rows.csv"
    content = b"id;text\n" + b"".join(b"%d;Fed\n" % number for number in range(9000))
    file.write_bytes(COMPRESS[compression](content)[:-99])
    with pytest.raises(TableError, match=r"rows\.csv: the file is damaged"):
        read(file, tmp_path)


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz", "zst"])
def test_the_damaged_beginning_of_a_second_file_is_an_error(
    compression: str, tmp_path: Path
) -> None:
    # GIVEN a file joined from two, as this program writes them, the second without its first bytes
    compress = COMPRESS[compression]
    file = tmp_path / "rows.csv"
    file.write_bytes(compress(ROWS[:20]) + compress(ROWS[20:])[3:])
    # WHEN it is read THEN its rows are not lost without a word
    with pytest.raises(TableError, match=r"rows\.csv: the file is damaged"):
        read(file, tmp_path)


def test_the_table_in_a_zip_archive_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "rows.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/rows.csv", ROWS)
        archive.writestr("folder/small.csv", "x")
    location = str(tmp_path / "rows.zip")
    with open_input(location, TEXT, ReadOptions(), identify(location), tmp_path) as source:
        assert list(source.rows(TEXT)) == FOUND
        assert source.note == "of the 2 tables in the archive, only folder/rows.csv is read"


@pytest.mark.parametrize("compression", COMPRESS)
def test_a_fifo_is_read_once(compression: str, tmp_path: Path) -> None:
    # GIVEN a named pipe that a program writes to, a few bytes at a time
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    data = COMPRESS[compression](ROWS)

    def write() -> None:
        with fifo.open("wb", buffering=0) as file:
            for byte in data:
                file.write(bytes([byte]))

    thread = threading.Thread(target=write)
    thread.start()
    # WHEN it is read THEN all rows are there
    assert identify(str(fifo)) is None
    assert read(fifo, tmp_path) == FOUND
    thread.join()


@pytest.mark.parametrize("location", ["-", "/dev/stdin"])
def test_stdin_is_read_by_both_of_its_names(location: str, tmp_path: Path) -> None:
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\n"
        "from tests_of_inputs import read\n"
        f"print(read({location!r}, Path({str(tmp_path)!r})))\n"
    )
    (tmp_path / "tests_of_inputs.py").write_text(Path(__file__).read_text())
    done = subprocess.run(
        [sys.executable, "-c", program], input=ROWS, capture_output=True, cwd=tmp_path, check=True
    )
    assert done.stdout.decode().strip() == str(FOUND)


def test_what_comes_after_the_look_ahead_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a pipe that gives more than is held to find out how it is to be read
    monkeypatch.setattr("inference.tables.inputs.LOOK_AHEAD_BYTES", 100)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    data = b"id;text\n" + b"".join(b'%d;"text; %d"\n' % (n, n) for n in range(500)) + b'9;"open\n'
    thread = threading.Thread(target=fifo.write_bytes, args=(data,))
    thread.start()
    # WHEN it is read THEN the dialect holds for the rest
    found = read(fifo, tmp_path)
    thread.join()
    assert len(found) == 501
    assert [type(one) for one in found[-2:]] == [Row, Reject]


def zip_rows() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", ROWS)
    return file.getvalue()


def parquet_rows() -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(
        pyarrow.table({"id": ["1", "2"], "text": ["Fed; again", "Mars"]}), file
    )
    return file.getvalue()


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("from_pipe", [True, False])
def test_parquet_is_read_from_pipes_and_compressed(
    compression: str, *, from_pipe: bool, tmp_path: Path
) -> None:
    # GIVEN a format whose table of contents is at the end
    data = COMPRESS[compression](parquet_rows())
    location = tmp_path / "rows.parquet.gz"
    if from_pipe:
        os.mkfifo(location)
    thread = threading.Thread(target=location.write_bytes, args=(data,))
    thread.start()
    if not from_pipe:
        thread.join()
    # WHEN it comes through a pipe, or compressed, THEN its rows are there
    assert [row[1:] for row in read(location, tmp_path)] == [row[1:] for row in FOUND]
    thread.join()


def test_a_zip_archive_is_read_from_a_pipe(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    thread = threading.Thread(target=fifo.write_bytes, args=(zip_rows(),))
    thread.start()
    assert read(fifo, tmp_path) == FOUND
    thread.join()


def test_the_copy_of_a_pipe_needs_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a temporary folder that is full
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("shutil.copyfileobj", fail)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    thread = threading.Thread(target=fifo.write_bytes, args=(zip_rows(),))
    thread.start()
    # WHEN a pipe must be copied there THEN the error says so
    with pytest.raises(OutputError, match=r"copy of the input .*No space left .* set TMPDIR"):
        read(fifo, tmp_path)
    thread.join()


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
def test_an_error_of_the_operating_system_is_not_called_damage(tmp_path: Path) -> None:
    # GIVEN a file that cannot be read where reading begins, as on a lost network drive
    location = "/proc/self/mem"
    # WHEN it is read THEN another try may succeed
    with pytest.raises(UnreadableError, match=f"{location}: cannot be read: Input/output error"):
        read(location, tmp_path)


def test_an_error_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("id,body\n1,a\n")
    with pytest.raises(TableError, match=r"rows\.csv, line 1: no column 'text'"):
        read(file, tmp_path)


def test_the_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(ROWS)
    location = str(tmp_path / "rows.csv")
    with (
        pytest.raises(TableError, match=r"^other$"),
        open_input(location, TEXT, ReadOptions(), identify(location), tmp_path),
    ):
        raise TableError("other")


def test_the_identity_of_a_file_changes_with_its_content(tmp_path: Path) -> None:
    # GIVEN a file
    file = tmp_path / "rows.csv"
    file.write_text("title\nFed\n")
    before = identify(str(file))
    assert identify(str(file)) == before
    # WHEN it grows THEN its identity is another
    file.write_text("title\nFed\nMars\n")
    assert identify(str(file)) != before


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no such file"):
        identify(str(tmp_path / "rows.csv"))
    with pytest.raises(TableError, match="is a folder"):
        identify(str(tmp_path))
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(TableError, match=r"cannot read .*link: Too many levels"):
        identify(str(tmp_path / "link"))


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    # GIVEN an open input
    file = tmp_path / "rows.csv"
    file.write_bytes(ROWS)
    location = str(file)
    with open_input(location, TEXT, ReadOptions(), identify(location), tmp_path) as source:
        source.require_unchanged()
        # WHEN a row is appended THEN that is an error
        with file.open("ab") as more:
            more.write(b"3;Moon\n")
        with pytest.raises(TableError, match="changed while it was being read"):
            source.require_unchanged()


def test_the_share_that_was_read_grows_to_one(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(io.BytesIO(ROWS).getvalue())
    location = str(file)
    with open_input(location, TEXT, ReadOptions(), identify(location), tmp_path) as source:
        list(source.rows(TEXT))
        assert source.share_read() == 1
