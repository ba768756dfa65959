"""From the spawn of a process to its first answer, and where our own time goes."""

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.full_size import ROOT

HANDLER = """
import json, sys
from inference.api.handler import handler
class Context:
    aws_request_id = function_name = memory_limit_in_mb = invoked_function_arn = "bench"
assert handler(json.loads(sys.argv[2]), Context())["statusCode"] == 200
print("answered", flush=True)
"""

TRANSFORMERS = """
import sys
from transformers import pipeline
classify = pipeline("text-classification", sys.argv[1], device="cpu")
assert classify(sys.argv[2])
print("answered", flush=True)
"""

# What the handler does, one thing after another: in the handler some of it goes side by side.
STEPS = """
import json, os, sys, time
from pathlib import Path
folder, steps, last = Path(sys.argv[1]), {}, [0.0, 0.0]
def done(step):
    now = [time.time() - float(sys.argv[3]), time.process_time()]
    steps[step] = [1000 * (b - a) for a, b in zip(last, now)]
    last[:] = now
done("start of Python")
import numpy; done("import numpy")
import onnxruntime; done("import onnxruntime")
import tokenizers; done("import tokenizers")
import pydantic; done("import pydantic")
import aws_lambda_powertools.event_handler; done("import powertools")
import inference.api.requests, inference.api.loader, inference.api.openapi, inference.api.pages
from inference.model.classifier import _session
done("import inference")
from inference.model.bundle import read_verified
read_verified(folder); done("digests of the bundle")
tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")); done("tokenizer")
session = _session(folder / "model.onnx"); done("session")
session.run(None, {"input_ids": numpy.array([tokenizer.encode(sys.argv[2]).ids])})
done("first run")
print(json.dumps(steps))
"""


@dataclass(frozen=True)
class Took:
    """Milliseconds by the clock and of CPU; the latter hardly depend on what else runs."""

    wall: float
    cpu: float


def handler(bundle: Path, event: dict[str, object]) -> Took:
    """The handler, as Lambda's runtime would import and call it."""
    return _timed([HANDLER, str(bundle), json.dumps(event)], bundle)


def transformers(folder: Path, text: str) -> Took:
    """A ``transformers`` pipeline that answers the same."""
    return _timed([TRANSFORMERS, str(folder), text], folder)


def steps(bundle: Path, text: str) -> dict[str, Took]:
    """How long each step of the handler's start takes by itself."""
    command = [sys.executable, "-c", STEPS, str(bundle), text, str(time.time())]
    done = subprocess.run(
        command, cwd=ROOT, env=_environment(bundle), check=True, capture_output=True, text=True
    )
    return {step: Took(*took) for step, took in json.loads(done.stdout).items()}


def _timed(arguments: list[str], model: Path) -> Took:
    """Time to the word that says the answer is there, and the CPU time of the whole process."""
    command = [sys.executable, "-c", *arguments]
    before, started = _children_cpu(), time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=_environment(model),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        answered = any(line.startswith("answered") for line in process.stdout)
        wall = time.perf_counter() - started
    if not answered:
        raise RuntimeError("a process ended without an answer")
    return Took(1000 * wall, 1000 * (_children_cpu() - before))


def _environment(model: Path) -> dict[str, str]:
    return os.environ | {
        "MODEL_URI": model.as_uri(),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
