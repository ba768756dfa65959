import errno
import os
from pathlib import Path

import pytest

from training.atomic import OutputError, replacing, require_writable, write_text


def test_a_file_is_replaced_when_all_of_it_is_written(tmp_path: Path) -> None:
    # GIVEN a file
    write_text(tmp_path / "new" / "a.txt", "old")
    # WHEN it is written again
    with replacing(tmp_path / "new" / "a.txt") as temporary:
        temporary.write_text("new")
        assert (tmp_path / "new" / "a.txt").read_text() == "old"
    # THEN it has the new content
    assert (tmp_path / "new" / "a.txt").read_text() == "new"


def test_a_failure_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    # GIVEN a file
    write_text(tmp_path / "a.txt", "old")
    # WHEN writing it again fails halfway
    with pytest.raises(UnicodeEncodeError), replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("new \ud800", encoding="utf-8")
    # THEN the file is as it was, and nothing else is left
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), RuntimeError("I/O error (os error 28)")],
    ids=["of Python", "of Rust"],
)
def test_a_full_disk_names_the_file(error: Exception, tmp_path: Path) -> None:
    # GIVEN a disk that is full WHEN a file is written THEN the error names that file
    message = f"cannot write {tmp_path / 'a.txt'}: No space left on device; correct that, then"
    with pytest.raises(OutputError, match=message), replacing(tmp_path / "a.txt"):
        raise error
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=f"cannot write {tmp_path}/file/a.txt: .*; correct that"):
        write_text(tmp_path / "file" / "a.txt", "text")


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a mistake"), replacing(tmp_path / "a.txt"):
        raise ValueError("a mistake")


def test_a_folder_that_can_be_made_is_writable(tmp_path: Path) -> None:
    require_writable(tmp_path / "new" / "folder")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("output", ["file", "file/folder", "link", "/dev/null", "/proc/folder"])
def test_what_cannot_be_a_folder_is_found_before_the_work(output: str, tmp_path: Path) -> None:
    # GIVEN a file, a file where a folder should be, a link to nothing, a device, no file system
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    # WHEN it is to be an output THEN the error names it
    with pytest.raises(OutputError, match=f"cannot write to {tmp_path / output}: "):
        require_writable(tmp_path / output)
