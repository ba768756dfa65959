"""Where the time of a cold start goes: each step of the handler's start by itself.

The handler does some of these steps at the same time; here they follow each other. Which libraries
it imports is seen in a process that imports it.
"""

import json
import time
from pathlib import Path

from benchmarks.speed.journal import Record
from benchmarks.speed.process import Launcher

SECTION = "cold start, step by step"

# Libraries that take a step of their own if the handler imports them, those that others need first.
LIBRARIES = (
    *("numpy", "onnxruntime", "tokenizers", "msgspec", "pydantic", "orjson", "botocore", "boto3"),
    "aws_lambda_powertools",
)

MODULES = """
import sys
import inference.api.handler
print(*sys.modules, flush=True)
"""

STEPS = """
import os, sys, time
last = [float(sys.argv[2]), 0.0]
def done(step):
    now = [time.time(), time.process_time()]
    steps.append([step, *[1000 * (b - a) for a, b in zip(last, now)]])
    last[:] = now
steps = []
done("start of Python")
import importlib, json
folder, text, plan = sys.argv[1], sys.argv[3], json.loads(sys.argv[4])
for step, modules in plan:
    for module in modules:
        importlib.import_module(module)
    done(step)
from pathlib import Path
from inference.model.bundle import read_verified
read_verified(Path(folder)); done("digests of the bundle")
import numpy, onnxruntime, tokenizers
tokenizer = tokenizers.Tokenizer.from_file(folder + "/tokenizer.json"); done("tokenizer")
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(
    folder + "/model.onnx", options, providers=["CPUExecutionProvider"])
done("session")
session.run(None, {"input_ids": numpy.array([tokenizer.encode(text).ids])}); done("first run")
print(json.dumps(steps))
"""


def measure_steps(launcher: Launcher, bundle: Path, text: str) -> list[Record]:
    """Measure each step of one start."""
    variables = launcher.image_variables() | {"MODEL_URI": bundle.as_uri()}
    modules = launcher.start(["-c", MODULES], "modules", variables).read().split()
    plan = json.dumps(plan_imports(modules))
    command: list[str | Path] = ["-c", STEPS, bundle, str(time.time()), text, plan]
    steps = json.loads(launcher.start(command, "steps", variables).read())
    return [Record(SECTION, launcher.mode.name, step, wall, cpu) for step, wall, cpu in steps]


def plan_imports(modules: list[str]) -> list[tuple[str, list[str]]]:
    """Return the imports of each step: of a library, and of our own modules with all others."""
    plan = [
        (f"import {library}", [name for name in modules if name.split(".")[0] == library])
        for library in LIBRARIES
    ]
    # Without the handler itself, whose import loads the model.
    ours = [name for name in modules if name.split(".")[0] == "inference"]
    rest = [name for name in ours if name != "inference.api.handler"]
    return [step for step in plan if step[1]] + [("import inference and the rest", rest)]
