"""Validate definitions of state machines with asl-validator, which finds what cfn-lint misses."""

import shutil
import subprocess
from pathlib import Path

import pytest


def assert_valid_asl(definition: str, folder: Path) -> None:
    """Validate a definition.

    Skips the test without npm.
    """
    if not shutil.which("npx"):
        pytest.skip("npx is not installed (it comes with Node.js)")
    path = folder / "definition.json"
    path.write_text(definition)
    command = ["npx", "--yes", "asl-validator@4.0.0", "--json-path", str(path)]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=90, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry does not answer")
    if "npm error" in done.stderr:
        pytest.skip("asl-validator could not be downloaded from npm")
    assert done.returncode == 0, done.stdout + done.stderr
