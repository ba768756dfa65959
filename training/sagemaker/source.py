"""The source archive: the code that runs in the container, and what it requires."""

import io
import re
import tarfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("training", "inference")
ENTRY = "training/sagemaker/entry.py"
# The image has its own torch, built for its CUDA; the command line isn't used in the container.
NOT_INSTALLED = ("torch", "cyclopts")


def build_source_archive() -> bytes:
    """Pack the code, its requirements and the entry point into a ``.tar.gz``."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for folder in FOLDERS:
            tar.add(ROOT / folder, folder, filter=_only_python)
        # At the top of the archive, from where `import training` finds the package.
        tar.add(ROOT / ENTRY, Path(ENTRY).name, filter=_only_python)
        _add_text(tar, "requirements.txt", list_requirements())
        _add_text(tar, "constraints.txt", list_constraints())
    return archive.getvalue()


def list_requirements() -> str:
    """List what training and serving need, as pip reads it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = [*project["project"]["dependencies"], *project["dependency-groups"]["training"]]
    return "\n".join(["-c constraints.txt", *_drop_provided(packages)]) + "\n"


def list_constraints() -> str:
    """List the pinned versions of all packages, as pip reads them."""
    return "\n".join(_drop_provided((ROOT / "constraints.txt").read_text().splitlines())) + "\n"


def _drop_provided(lines: list[str]) -> list[str]:
    return [line for line in lines if re.split(r"[=\[]", line)[0] not in NOT_INSTALLED]


def _only_python(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out data, notebooks and compiled files, and who owns the files here."""
    if entry.name.endswith("__pycache__") or not (entry.isdir() or entry.name.endswith(".py")):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(text.encode())
    tar.addfile(entry, io.BytesIO(text.encode()))
