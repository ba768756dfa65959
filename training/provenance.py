"""Which code made something."""

import os
import subprocess
from pathlib import Path


def source_commit() -> str | None:
    """The commit of this code, with a mark if it was changed since.

    Outside git, as in a training job, what SOURCE_COMMIT says, or none.
    """
    try:
        command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--match="]
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("SOURCE_COMMIT")
    return done.stdout.strip()
