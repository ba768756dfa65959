from pathlib import Path

import pytest

from inference.bulk.request import BulkError
from inference.bulk.staging import StagingFolder
from inference.writing import OutputError

FILES = ("data", "note.json")


def test_a_folder_is_made_and_deleted_with_those_around_it(tmp_path: Path) -> None:
    folder = StagingFolder.make(tmp_path / "new" / "out.partial", FILES)
    assert folder.is_new
    for name in (*FILES, "input-0123"):
        (folder.path / name).touch()
    folder.delete()
    assert not list(tmp_path.iterdir())


def test_a_folder_of_an_earlier_run_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "data").touch()
    assert not StagingFolder.make(tmp_path / "out.partial", FILES).is_new


def test_the_folder_of_another_program_is_left_alone(tmp_path: Path) -> None:
    # GIVEN a folder of that name with a file of the user
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "thesis.doc").write_text("x")
    # WHEN it is needed THEN that is an error, and the file stays
    with pytest.raises(BulkError, match=r"holds other files \(thesis\.doc\): rename it"):
        StagingFolder.make(tmp_path / "out.partial", FILES)
    assert (tmp_path / "out.partial" / "thesis.doc").read_text() == "x"


def test_files_that_came_meanwhile_are_not_deleted(tmp_path: Path) -> None:
    folder = StagingFolder.make(tmp_path / "out.partial", FILES)
    (folder.path / "data").touch()
    (folder.path / "thesis.doc").touch()
    folder.delete()
    assert [file.name for file in folder.path.iterdir()] == ["thesis.doc"]


@pytest.mark.parametrize("name", ["file", "file/out", "link", "x" * 300])
def test_a_folder_that_cannot_be_made_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(OutputError, match=f"cannot write {tmp_path / name}: .*; correct that"):
        StagingFolder.make(tmp_path / name, FILES)
