import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest

from inference.tables.formats import FileType, TableError
from inference.tables.inputs import identify, open_input

CSV = FileType("csv")


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
def test_a_file_joined_from_compressed_files_is_read_to_its_end(
    compression: str, tmp_path: Path
) -> None:
    # GIVEN a file joined from two compressed ones
    compress = COMPRESS[compression]
    file = tmp_path / f"rows.{compression}"
    file.write_bytes(compress(b"title\nFed\n") + compress(b"Mars\n"))
    # WHEN it is opened THEN the content of both is there
    file_type = FileType("csv", compression)
    with open_input(str(file), file_type, identify(str(file)), tmp_path) as source:
        assert source.file.read() == b"title\nFed\nMars\n"
        assert source.share_read() == 1


def test_the_identity_of_a_file_changes_with_its_content(tmp_path: Path) -> None:
    # GIVEN a file
    file = tmp_path / "rows.csv"
    file.write_text("title\nFed\n")
    before = identify(str(file))
    assert identify(str(file)) == before
    # WHEN it grows THEN its identity is another
    file.write_text("title\nFed\nMars\n")
    assert identify(str(file)) != before


def test_a_pipe_has_no_identity() -> None:
    assert identify("-") is None


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no such file"):
        identify(str(tmp_path / "rows.csv"))


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    # GIVEN an open input
    file = tmp_path / "rows.csv"
    file.write_text("title\nFed\n")
    with open_input(str(file), CSV, identify(str(file)), tmp_path) as source:
        source.require_unchanged()
        # WHEN a row is appended THEN that is an error
        with file.open("a") as more:
            more.write("Mars\n")
        with pytest.raises(TableError, match="changed while it was being read"):
            source.require_unchanged()
