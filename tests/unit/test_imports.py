"""Imports point one way, and slow libraries are imported only where they are needed."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLE_MODEL

# What the modules of each package may import in addition to their own package.
PACKAGES = {
    "authorizer": set[str](),
    "checks": set[str](),
    "inference": set[str](),
    "operations": {"inference"},
    "training": {"inference"},
    "textclf": {"inference", "operations", "training"},
}
OURS = {*PACKAGES, "benchmarks", "tests"}
# The layers of a package, lowest first. A part may import every layer below its own. The parts of
# the topmost layer do not import each other.
LAYERS = {
    "inference": (
        {"aws", "errors", "s3_uri", "writing"},
        {"model", "prediction_log", "runtime", "tables"},
        {"api", "bulk", "drift", "local"},
    ),
    "training": (
        {"atomic", "metrics", "multi_label", "tasks"},
        {"data"},
        {"labels"},
        {"fit"},
        {"evaluate"},
        {"export"},
        {"recipes", "sagemaker"},
    ),
}
HEAVY = {"matplotlib", "optimum", "scipy", "sklearn", "torch", "transformers"}
FILES = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def imported_modules(file: Path) -> Iterator[str]:
    """Yield what a file imports anywhere: modules, and names that may be modules."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(file)} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules_after(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after it ran some code."""
    report = "import json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_no_package_imports_upward(file: Path) -> None:
    package = file.relative_to(ROOT).parts[0]
    imported = {module.partition(".")[0] for module in imported_modules(file)}
    assert imported & OURS <= PACKAGES[package] | {package}


@pytest.mark.parametrize(
    "file", [file for package in LAYERS for file in (ROOT / package).rglob("*.py")], ids=name_of
)
def test_no_layer_of_a_package_imports_upward(file: Path) -> None:
    # GIVEN the part of a package that a file belongs to, such as api
    package, part = (name.removesuffix(".py") for name in file.relative_to(ROOT).parts[:2])
    if part == "__init__":
        return
    layers = LAYERS[package]
    (level,) = (level for level, parts in enumerate(layers) if part in parts)
    # WHEN it imports other parts THEN they are in lower layers, or in its own
    own = {part} if layers[level] is layers[-1] else layers[level]
    allowed = own.union(*layers[:level])
    modules = [module.split(".") for module in imported_modules(file)]
    assert {names[1] for names in modules if names[0] == package} <= allowed


@pytest.mark.parametrize("file", sorted((ROOT / "inference").rglob("*.py")), ids=name_of)
def test_inference_needs_nothing_of_what_trains(file: Path) -> None:
    # The picture of drift is drawn where matplotlib is installed, which it is not in the image.
    draws = name_of(file) == "inference/drift/report.py"
    # pydantic is not in the image either: what serves validates with msgspec.
    heavy = {*HEAVY, "pydantic"} - ({"matplotlib"} if draws else set())
    assert not {module.partition(".")[0] for module in imported_modules(file)} & heavy


def test_no_module_has_a_catch_all_name() -> None:
    catch_all = {"common", "helper", "helpers", "misc", "util", "utils"}
    assert not [name_of(file) for file in FILES if catch_all & set(file.with_suffix("").parts)]


def test_no_module_but_those_of_training_loads_torch() -> None:
    # GIVEN every module that serves a model or operates a stack
    names = [
        name_of(file).removesuffix(".py").replace("/", ".")
        for package in ("inference", "operations")
        for file in sorted((ROOT / package).rglob("*.py"))
        # These two read the environment variables of Lambda when they are imported.
        if name_of(file) not in {"inference/api/handler.py", "inference/drift/function.py"}
        and file.name != "__init__.py"
    ]
    # WHEN all of them are imported THEN nothing heavy came along
    assert not modules_after(f"import {', '.join(names)}") & HEAVY


# What the first answer does without. Each of them would make every cold start slower.
LATE = {
    *("asyncio", "boto3", "botocore", "email", "http.client", "pydantic", "ssl", "urllib.request"),
    *("aws_lambda_powertools.event_handler.appsync", "aws_lambda_powertools.tracing"),
    "aws_lambda_powertools.utilities.data_classes.kafka_event",
    *(
        f"inference.api.{name}"
        for name in (
            *("direct", "examples", "feedback", "hugging_face", "invocations"),
            *("openapi", "pages", "queue", "server"),
        )
    ),
    *("inference.bulk", "inference.drift", "inference.prediction_log", "inference.tables"),
}
MOST_MODULES = 400  # those of numpy and the standard library included
FIRST_ANSWER = """
import json, os, sys
os.environ["MODEL_URI"] = {uri!r}
from inference.api.handler import handler
from inference.runtime.context import Context
event = {{
    "rawPath": "/predict", "headers": {{"content-type": "application/json"}},
    "requestContext": {{"http": {{"method": "POST"}}}}, "body": json.dumps({{"inputs": "Fed"}}),
}}
assert handler(event, Context("id"))["statusCode"] == 200
"""


def test_the_first_answer_loads_nothing_that_only_others_need() -> None:
    # GIVEN a new environment WHEN it has answered a request
    loaded = modules_after(FIRST_ANSWER.format(uri=SAMPLE_MODEL.as_uri()))
    # THEN nothing was imported that other requests or other functions need
    assert not LATE & loaded
    assert len(loaded) < MOST_MODULES


def test_scoring_in_the_image_loads_only_what_the_image_has() -> None:
    modules = modules_after("import inference.bulk.distributed.steps")
    assert not {"pyarrow", "tqdm", "inference.local"} & modules
