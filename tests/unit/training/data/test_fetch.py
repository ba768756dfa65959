import gzip
import lzma
import zipfile
from pathlib import Path

import pytest

from tests.conftest import HEADLINES
from training.data.examples import DataError
from training.data.read import read
from training.tasks import NEWS


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zip"])
def test_a_compressed_file_gives_the_same_rows_and_digest(tmp_path: Path, suffix: str) -> None:
    # GIVEN the sample headlines, compressed
    raw, path = HEADLINES.read_bytes(), tmp_path / f"headlines.csv{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "x")
            archive.writestr("small.csv", "x")
            archive.writestr("headlines.csv", raw)
    else:
        packed = {"": raw, ".gz": gzip.compress(raw), ".xz": lzma.compress(raw)}
        path.write_bytes(packed[suffix])
    # WHEN they are read
    dataset = read(str(path), NEWS)
    # THEN the data set is the same
    assert dataset == read(str(HEADLINES), NEWS)


@pytest.mark.parametrize(
    "name", ["missing.csv", "broken.csv.gz", "damaged.csv.gz", "broken.csv.xz", "broken.zip"]
)
def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path, name: str) -> None:
    # GIVEN no file, or one that is not what its name says
    if name.startswith("broken"):
        (tmp_path / name).write_bytes(b"not compressed")
    if name.startswith("damaged"):
        whole = bytearray(gzip.compress(HEADLINES.read_bytes()))
        whole[100:200] = bytes(100)
        (tmp_path / name).write_bytes(whole)
    # WHEN it is read THEN the error names it
    with pytest.raises(DataError, match=name):
        read(str(tmp_path / name), NEWS)


def test_an_archive_without_a_csv_file_is_an_error(tmp_path: Path) -> None:
    # GIVEN an archive of something else
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("readme.txt", "x")
    # WHEN it is read THEN the error says what it lacks
    with pytest.raises(DataError, match=r"data\.zip: this zip archive holds no table"):
        read(str(tmp_path / "data.zip"), NEWS)
