"""Requests that nobody would think of, made from the OpenAPI document by schemathesis."""

import subprocess
import sys
from pathlib import Path

SECONDS = 40  # of fuzzing, after the examples and the edge cases


def test_the_service_keeps_what_its_openapi_document_says(server: str, tmp_path: Path) -> None:
    # GIVEN the running service and the document it gives of itself
    # WHEN schemathesis asks what the document allows and what it does not, with all its checks
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{server}/openapi.json"]
    command += ["--checks", "all", "--max-time", str(SECONDS), "--seed", "1", "--no-color"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240
    )
    # THEN each answer is of a kind that the document tells
    assert done.returncode == 0, done.stdout
