"""Imports point one way, and what a fresh `make demo` runs needs no torch."""

import ast
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
    assert not set(imported(file)) & (HEAVY | {"training", "tests"})


def test_publishing_needs_no_torch() -> None:
    assert not set(imported(ROOT / "training" / "publish.py")) & (HEAVY | {"training", "tests"})


@pytest.mark.parametrize("file", sorted((ROOT / "inference").glob("*.py")), ids=lambda f: f.stem)
def test_what_is_in_the_image_does_not_import_the_local_runtime(file: Path) -> None:
    assert "inference.local" not in file.read_text()
