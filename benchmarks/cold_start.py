"""Time cold starts: from the start of a process to its first answer.

Measures the handler as Lambda imports and calls it, its peer, a ``transformers`` pipeline with the
same model, and each step of the handler's start by itself. ``python -m benchmarks.bench`` runs it.

Wall-clock times depend on what else uses the machine and on whether files are in the page cache;
so the first start of each kind does not count, and the CPU time is shown as well.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.timing import Duration
from inference.local.checkout import ROOT

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

# The handler does some of these steps at the same time; here they follow each other.
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
from inference.model.classifier import _open_session
done("import inference")
from inference.model.bundle import read_verified
read_verified(folder); done("digests of the bundle")
tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")); done("tokenizer")
session = _open_session(folder / "model.onnx"); done("session")
session.run(None, {"input_ids": numpy.array([tokenizer.encode(sys.argv[2]).ids])})
done("first run")
print(json.dumps(steps))
"""


def time_handler(bundle: Path, event: dict[str, object]) -> Duration:
    """Time a start of the handler, as Lambda's runtime imports and calls it."""
    return _time_process([HANDLER, str(bundle), json.dumps(event)], bundle)


def time_transformers(folder: Path, text: str) -> Duration:
    """Time a start of a ``transformers`` pipeline that classifies the same text."""
    return _time_process([TRANSFORMERS, str(folder), text], folder)


def time_steps(bundle: Path, text: str) -> dict[str, Duration]:
    """Time each step of the handler's start by itself."""
    command = [sys.executable, "-c", STEPS, str(bundle), text, str(time.time())]
    done = subprocess.run(
        command, cwd=ROOT, env=_environment(bundle), check=True, capture_output=True, text=True
    )
    return {step: Duration(*times) for step, times in json.loads(done.stdout).items()}


def _time_process(arguments: list[str], model: Path) -> Duration:
    """Time a process until it prints "answered", and count all its CPU time."""
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
    return Duration(1000 * wall, 1000 * (_children_cpu() - before))


def _environment(model: Path) -> dict[str, str]:
    return os.environ | {
        "MODEL_URI": model.as_uri(),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
