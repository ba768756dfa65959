"""The log and answer sizes in operations/cost.py are those of the handler and the shipped model."""

import json
import os
import subprocess
import sys

import pytest

from operations.cost import ANSWER_BYTES, LIST, LOG_BYTES
from tests.conftest import HEADLINES, ROOT, SAMPLE_MODEL
from training import tasks
from training.data.read import read

# The first request also logs the cold start, so only the second one, after the mark, counts.
CODE = """
import json, sys
from inference.api.handler import handler
from inference.runtime.context import Context
from inference.runtime.payload import to_event
body = json.dumps({"inputs": json.load(sys.stdin)}).encode()
event = to_event("POST", "/predict", [("content-type", "application/json")], body)
handler(event, Context("0" * 36))
print("MARK")
print(len(handler(event, Context("0" * 36))["body"]), file=sys.stderr)
"""


@pytest.mark.parametrize("texts", [1, LIST])
def test_log_and_answer_are_as_long_as_the_costs_assume(texts: int) -> None:
    # GIVEN a request of headlines
    headlines = [row.text for row in read(str(HEADLINES), tasks.NEWS).examples][:texts]
    # WHEN the handler answers it
    process = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env=os.environ | {"MODEL_URI": SAMPLE_MODEL.as_uri()},
        input=json.dumps(headlines if texts > 1 else headlines[0]),
        capture_output=True,
        text=True,
        check=True,
    )
    # THEN log and answer have the sizes that the costs are computed from
    assert len(process.stdout.partition("MARK\n")[2]) == pytest.approx(LOG_BYTES[texts], rel=0.1)
    assert int(process.stderr) == pytest.approx(ANSWER_BYTES[texts], rel=0.1)
