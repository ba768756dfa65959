"""Running `make`: its messages when something is missing, and the commands it runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files needed to install, without a virtual environment."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    return subprocess.run(
        ["make", "demo", *arguments],
        cwd=checkout,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_missing_python_is_explained_in_one_sentence(checkout: Path) -> None:
    done = make(checkout, "PYTHON=python-that-is-not-there")
    assert done.returncode != 0
    assert done.stderr.startswith("Python is missing: install Python 3.11 or newer")


def test_an_old_python_is_explained_in_one_sentence(checkout: Path) -> None:
    # GIVEN a Python that reports a version before 3.11
    old = checkout / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    # WHEN any target is made THEN the error says which version is needed
    done = make(checkout, f"PYTHON={old}")
    assert done.returncode != 0
    assert "is too old: install Python 3.11 or newer" in done.stderr


def test_a_missing_network_is_explained_in_one_sentence(checkout: Path) -> None:
    # GIVEN a package index that does not answer
    unreachable = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
    }
    # WHEN the demo is installed
    done = make(checkout, PIP_CONFIG_FILE=os.devnull, PIP_FIND_LINKS="", **unreachable)
    # THEN the error says so
    assert done.returncode != 0
    assert "The Python package index cannot be reached: check the network" in done.stderr


def planned(target: str, *variables: str) -> list[str]:
    """List the `sam` and `textclf` commands that `make` would run for a target."""
    command = ["make", "--dry-run", target, *variables]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = process.stdout.splitlines()
    return [line for line in lines if "/sam " in line or "/textclf " in line]


def test_a_deployment_passes_every_parameter_to_build_and_deploy() -> None:
    # GIVEN a model and parameters
    variables = [
        "MODEL_URI=s3://models/news/0123456789abcdef",
        "PARAMETERS=Access=iam Architecture=arm64",
    ]
    # WHEN they are deployed
    build, _, deploy = planned("deploy", "ENV=prod", *variables)
    # THEN both steps get all of them, in one option because sam heeds only the last one
    overrides = "--parameter-overrides ModelStore=s3://models/news ModelVersion=0123456789abcdef"
    overrides += " Access=iam Architecture=arm64"
    assert build.endswith(f"sam build {overrides}")
    assert "--config-env prod --stack-name text-classifier-prod " in deploy
    assert deploy.endswith(overrides)
    assert "--role-arn" not in deploy


def test_a_deployment_passes_on_the_role_for_cloudformation() -> None:
    *_, deploy = planned("deploy", "EXECUTION_ROLE=arn:aws:iam::123456789012:role/executes")
    assert "--stack-name text-classifier-dev --role-arn arn:aws:iam::123456789012:role/" in deploy


def test_a_deployment_ends_the_candidate_after_building_the_image() -> None:
    build, end, deploy = planned("deploy", "ENV=prod")
    assert "/sam build" in build
    assert "textclf candidate end text-classifier-prod" in end
    assert "/sam deploy" in deploy


@pytest.mark.parametrize(
    ("target", "variables", "ending"),
    [
        ("live", [], "textclf live text-classifier-prod"),
        ("smoke", [], "textclf smoke text-classifier-prod"),
        ("smoke", ["URL=https://api"], "textclf smoke https://api"),
        (
            "candidate",
            ["MODEL_URI=s3://models/news/0123456789abcdef", "WEIGHT=5"],
            "textclf candidate start text-classifier-prod s3://models/news/0123456789abcdef 5",
        ),
        ("compare", [], "textclf compare text-classifier-prod --hours 24"),
        ("rollback", [], "textclf rollback text-classifier-prod"),
        ("rollback", ["VERSION=7"], "textclf rollback text-classifier-prod 7"),
        ("destroy", [], "sam delete --stack-name text-classifier-prod"),
    ],
)
def test_a_target_acts_on_the_stack_of_its_environment(
    target: str, variables: list[str], ending: str
) -> None:
    (command,) = planned(target, "ENV=prod", *variables)
    assert command.strip().endswith(ending)


def test_nothing_is_deleted_without_asking() -> None:
    # WHEN a stack is deleted THEN sam asks first, and make says what is kept
    (command,) = planned("destroy")
    assert "--no-prompts" not in command
    assert "It keeps the model store" in (ROOT / "Makefile").read_text()
