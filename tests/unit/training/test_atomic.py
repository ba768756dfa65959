from pathlib import Path

import pytest

from training.atomic import replacing, write_text


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
