import errno
import os
from pathlib import Path

import pytest

from inference.bulk.placement import place, staging_folder
from inference.bulk.request import BulkError
from inference.s3_uri import S3UriError
from inference.writing import OutputError


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


def test_a_link_stays_and_the_file_that_it_leads_to_is_replaced(tmp_path: Path) -> None:
    # GIVEN a link to a private file in another folder
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "real.csv").write_text("old")
    (tmp_path / "far" / "real.csv").chmod(0o600)
    (tmp_path / "out.csv").symlink_to("far/real.csv")
    (tmp_path / "data").write_text("new")
    # WHEN an output is placed there
    place(tmp_path / "data", str(tmp_path / "out.csv"))
    # THEN the link is still one, and its file is new and private
    assert (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / "far" / "real.csv").read_text() == "new"
    assert (tmp_path / "far" / "real.csv").stat().st_mode & 0o777 == 0o600


def test_an_output_behind_a_link_grows_on_the_same_disk(tmp_path: Path) -> None:
    (tmp_path / "out.csv").symlink_to("far/real.csv")
    assert staging_folder(str(tmp_path / "out.csv")) == tmp_path / "far" / "real.csv.partial"


def test_a_file_moves_to_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a place on another disk, where a file cannot simply be renamed to
    (tmp_path / "far").mkdir()
    (tmp_path / "data").write_text("new")
    rename = Path.replace

    def replace(file: Path, target: Path) -> Path:
        if file.parent != target.parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return rename(file, target)

    monkeypatch.setattr(Path, "replace", replace)
    # WHEN an output is placed there THEN it is complete, and nothing is left over
    place(tmp_path / "data", str(tmp_path / "far" / "out.csv"))
    assert (tmp_path / "far" / "out.csv").read_text() == "new"
    assert [one.name for one in (tmp_path / "far").iterdir()] == ["out.csv"]
    assert not (tmp_path / "data").exists()


def test_a_place_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(OutputError, match=r"write .*gone/out\.csv: .*; correct that, then X"):
        place(tmp_path / "data", str(tmp_path / "gone" / "out.csv"), "then X")
