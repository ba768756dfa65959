"""Unexpected requests, which schemathesis generates from the OpenAPI document."""

import subprocess
import sys
from pathlib import Path

SECONDS = 40  # of fuzzing, after the examples and the edge cases


def test_the_service_behaves_as_its_openapi_document_says(server: str, tmp_path: Path) -> None:
    # GIVEN the running service and its OpenAPI document
    # WHEN schemathesis sends what the document allows and what it does not, with all its checks
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{server}/openapi.json"]
    command += ["--checks", "all", "--max-time", str(SECONDS), "--seed", "1", "--no-color"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240
    )
    # THEN every answer conforms to the document
    assert done.returncode == 0, done.stdout
