import subprocess
from pathlib import Path

import pytest

from benchmarks.speed.commit import extract, read_working_tree
from benchmarks.speed.errors import BenchError


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two commits of one file."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for text in ("old", "new"):
        (folder / "module.py").write_text(text)
        git(folder, "add", ".")
        git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", text)
    return folder


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_files_of_an_earlier_commit_are_written_elsewhere(
    repository: Path, tmp_path: Path
) -> None:
    # GIVEN a repository whose file has changed since
    # WHEN the commit before is extracted
    tree = extract("HEAD~1", tmp_path / "commits", repository)
    # THEN its file is in a folder named after the commit, and the repository is as it was
    sha = git(repository, "rev-parse", "HEAD~1")
    assert tree.folder.name == sha
    assert tree.suffix == f"@{sha[:7]}"
    assert (tree.folder / "module.py").read_text() == "old"
    assert (repository / "module.py").read_text() == "new"
    assert git(repository, "status", "--porcelain") == git(repository, "stash", "list") == ""


def test_a_commit_is_extracted_once(repository: Path, tmp_path: Path) -> None:
    # GIVEN a commit that was extracted, by another of its names
    first = extract("HEAD", tmp_path / "commits", repository)
    written = (first.folder / "module.py").stat().st_mtime_ns
    # WHEN it is extracted again
    again = extract(git(repository, "rev-parse", "HEAD"), tmp_path / "commits", repository)
    # THEN its files are those that were there
    assert again == first
    assert (again.folder / "module.py").stat().st_mtime_ns == written


def test_a_commit_that_does_not_exist_is_named(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="AGAINST=HEAD~7: there is no such commit"):
        extract("HEAD~7", tmp_path / "commits", repository)


def test_a_folder_without_a_repository_has_no_commits(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="not a git repository"):
        extract("HEAD", tmp_path / "commits", tmp_path)


def test_the_same_files_have_the_same_digest() -> None:
    assert read_working_tree() == read_working_tree()
    assert not read_working_tree().suffix
