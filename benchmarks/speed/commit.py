"""An earlier commit of this repository, and what identifies the files that are measured."""

import hashlib
import io
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.errors import BenchError
from inference.local.checkout import ROOT

MEASURED = ("benchmarks", "docker", "inference", "textclf", "training")  # what decides the speed


@dataclass(frozen=True)
class Tree:
    """Source code to measure."""

    folder: Path
    digest: str  # of the files that decide the speed
    suffix: str = ""  # of its candidates' names: "@1a2b3c4" for an earlier commit


def read_working_tree() -> Tree:
    """Return the tree that this module belongs to, with all its changes."""
    digest = hashlib.sha256()
    for package in MEASURED:
        for file in sorted((ROOT / package).rglob("*")):
            if file.suffix in (".py", "") and file.is_file():
                digest.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return Tree(ROOT, digest.hexdigest()[:12])


def extract(commit: str, folder: Path, repository: Path = ROOT) -> Tree:
    """Write the files of a commit into a folder of the given one, unless they are there.

    Raises:
        BenchError: there is no such commit, or this is no git repository.
    """
    sha = (
        _git(repository, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
        .decode()
        .strip()
    )
    if not sha:
        raise BenchError(f"AGAINST={commit}: there is no such commit")
    target = folder / sha
    if not target.exists():
        files = _git(repository, "archive", "--format=tar", sha)
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        with tarfile.open(fileobj=io.BytesIO(files)) as archive:
            archive.extractall(partial, filter="data")
        partial.rename(target)
    return Tree(target, sha[:12], f"@{sha[:7]}")


def _git(repository: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=repository, capture_output=True)
    except OSError as error:
        raise BenchError(f"AGAINST needs git: {error}") from error
    if done.returncode > 1:
        raise BenchError(f"AGAINST: {done.stderr.decode().strip()}")
    return done.stdout
