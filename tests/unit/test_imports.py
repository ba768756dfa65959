"""Imports point one way, and what a fresh `make demo` runs needs no torch."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEAVY = {"torch", "transformers", "optimum", "sklearn", "matplotlib", "scipy"}


def imported(file: Path) -> Iterator[str]:
    """The top-level packages that a file imports anywhere."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("file", sorted((ROOT / "inference").rglob("*.py")), ids=lambda f: f.stem)
def test_inference_imports_neither_training_nor_torch(file: Path) -> None:
    # A plot is drawn where there is matplotlib: not in the image.
    heavy = HEAVY - {"matplotlib"} if file.name == "plot.py" else HEAVY
    assert not set(imported(file)) & (heavy | {"training", "tests"})


def test_publishing_needs_no_torch() -> None:
    # GIVEN a fresh interpreter WHEN it imports what publishes THEN nothing heavy came along
    code = "import json, sys, inference.model.publish; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert not HEAVY & set(json.loads(done.stdout))


def test_scoring_files_in_the_image_needs_nothing_that_it_lacks() -> None:
    code = (
        "import json, sys, inference.bulk.distributed.steps; print(json.dumps(list(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    kept_out = {
        line.removesuffix(".py").replace("/", ".")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
    }
    assert "inference.bulk.outputs" in kept_out
    assert not (kept_out | {"pyarrow", "tqdm"}) & set(json.loads(done.stdout))


@pytest.mark.parametrize("file", sorted((ROOT / "inference").glob("*.py")), ids=lambda f: f.stem)
def test_what_is_in_the_image_does_not_import_the_local_runtime(file: Path) -> None:
    assert "inference.local" not in file.read_text()
