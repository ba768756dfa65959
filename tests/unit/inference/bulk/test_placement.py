from pathlib import Path

import pytest

from inference.bulk.placement import place, staging_folder
from inference.bulk.request import BulkError
from inference.s3_uri import S3UriError


def test_an_output_grows_next_to_its_place(tmp_path: Path) -> None:
    assert staging_folder(str(tmp_path / "out.csv")) == tmp_path / "out.csv.partial"


def test_a_folder_cannot_be_an_output(tmp_path: Path) -> None:
    with pytest.raises(BulkError, match="is a folder: give a file name"):
        staging_folder(str(tmp_path))


def test_a_bucket_without_a_key_cannot_be_an_output() -> None:
    with pytest.raises(S3UriError, match="names no object"):
        staging_folder("s3://bucket")


def test_a_local_output_replaces_an_older_one(tmp_path: Path) -> None:
    # GIVEN an output of an earlier run
    (tmp_path / "out.csv").write_text("old")
    (tmp_path / "data").write_text("new")
    # WHEN a new one is placed THEN it takes its place
    place(tmp_path / "data", str(tmp_path / "out.csv"))
    assert (tmp_path / "out.csv").read_text() == "new"
    assert not (tmp_path / "data").exists()
