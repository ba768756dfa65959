"""The bytes that operations.cost reckons with are those of the handler with the shipped model."""

import json
import os
import subprocess
import sys

import pytest

from operations.cost import ANSWER_BYTES, LIST, LOG_BYTES
from tests.conftest import HEADLINES, ROOT, SAMPLE_MODEL
from training import tasks
from training.data.read import read

# The first request has the lines of a cold start; what is counted comes after the mark.
CODE = """
import json, sys
from inference.api.handler import handler
from inference.local.emulator import Context
from inference.local.front_door import to_event
body = json.dumps({"inputs": json.load(sys.stdin)}).encode()
event = to_event("POST", "/predict", [("content-type", "application/json")], body)
handler(event, Context("0" * 36))
print("MARK")
print(len(handler(event, Context("0" * 36))["body"]), file=sys.stderr)
"""


@pytest.mark.parametrize("texts", [1, LIST])
def test_the_bytes_are_those_that_are_written_and_answered(texts: int) -> None:
    # GIVEN a request of headlines
    headlines = [row.text for row in read(str(HEADLINES), tasks.NEWS).examples][:texts]
    # WHEN the handler answers it
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env=os.environ | {"MODEL_URI": SAMPLE_MODEL.as_uri()},
        input=json.dumps(headlines if texts > 1 else headlines[0]),
        capture_output=True,
        text=True,
        check=True,
    )
    # THEN log and answer are as long as they are reckoned to be
    assert len(done.stdout.partition("MARK\n")[2]) == pytest.approx(LOG_BYTES[texts], rel=0.1)
    assert int(done.stderr) == pytest.approx(ANSWER_BYTES[texts], rel=0.1)
