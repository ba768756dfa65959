"""What a bare machine lacks: Docker, a browser, emulators, Node.js, LocalStack, the full data sets.

It is hidden from every test but those that ask for the fixture ``outside``. Thus a test that passes
without the fixture passes on a bare machine, too, and `.ci/run` need not run it there once more.
Those that ask for it are run again with ``BARE=1``, which hides it from them, too: they must skip.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PROGRAMS = {"docker", "chromium", "chromium-browser", "google-chrome", "node", "npm", "npx"}
PROGRAMS |= {"qemu-x86_64", "qemu-aarch64"}
# Where else they are looked for; what is None is not set.
VARIABLES = {"DOCKER_HOST": "unix:///nonexistent/docker.sock", "LOCALSTACK": "/nonexistent"}
UNSET = ("CHROMIUM", "HF_JAVASCRIPT", "REAL_DATA")


class Outside:
    """The environment variables that lead to all of it, and those of a bare machine."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="bare-path-"))
        link_programs(self._folder, os.environ["PATH"])
        self._bare: dict[str, str | None] = {
            **VARIABLES,
            **dict.fromkeys(UNSET),
            "PATH": str(self._folder),
        }
        self._full = {name: os.environ.get(name) for name in self._bare}
        self._is_bare = bool(os.environ.get("BARE"))

    def hide(self) -> None:
        """Let this process and those that it starts find none of it."""
        self._set(self._bare)

    def show(self) -> None:
        """Let them find what this machine has."""
        self._set(self._bare if self._is_bare else self._full)

    def close(self) -> None:
        """Leave everything as it was."""
        self._set(self._full)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _set(self, variables: dict[str, str | None]) -> None:
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def link_programs(folder: Path, path: str) -> None:
    """Link everything on a PATH into a folder, except the programs that a bare machine lacks."""
    for part in path.split(os.pathsep):
        with suppress(OSError):  # there is no such folder, or this user may not read it
            for program in Path(part or ".").iterdir():
                link = folder / program.name
                if program.name not in PROGRAMS and not link.is_symlink():
                    link.symlink_to(program.absolute())


def find_chromium() -> str | None:
    """Return the path of the browser, if it is shown and there is one."""
    names = ("chromium", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
