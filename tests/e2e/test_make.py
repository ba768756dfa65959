"""What `make` says where something it needs is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that installing needs, without a virtual environment."""
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


def test_a_missing_python_is_one_clear_sentence(checkout: Path) -> None:
    done = make(checkout, "PYTHON=python-that-is-not-there")
    assert done.returncode != 0
    assert done.stderr.startswith("Python is missing: install Python 3.11 or newer")


def test_an_old_python_is_one_clear_sentence(checkout: Path) -> None:
    # GIVEN a Python that finds itself older than 3.11
    old = checkout / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    # WHEN anything is made THEN it says what is needed
    done = make(checkout, f"PYTHON={old}")
    assert done.returncode != 0
    assert "is too old: install Python 3.11 or newer" in done.stderr


def test_no_network_is_one_clear_sentence(checkout: Path) -> None:
    # GIVEN a package index that does not answer
    unreachable = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
    }
    # WHEN the demo is to be installed
    done = make(checkout, PIP_CONFIG_FILE=os.devnull, PIP_FIND_LINKS="", **unreachable)
    # THEN the last line before make's own says so
    assert done.returncode != 0
    assert "The Python package index cannot be reached: check the network" in done.stderr


def told(target: str, *variables: str) -> list[str]:
    """The commands of this project's tools that `make` would run for a target."""
    command = ["make", "--dry-run", target, *variables]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "/sam " in line or " -m delivery" in line]


def test_a_deployment_passes_every_parameter_to_build_and_deploy() -> None:
    # GIVEN a model and parameters
    named = [
        "MODEL_URI=s3://models/news/0123456789abcdef",
        "PARAMETERS=Access=iam Architecture=arm64",
    ]
    # WHEN they are to be deployed
    build, _, deploy = told("deploy", "ENV=prod", *named)
    # THEN both steps are told all of them, under one option as sam heeds only the last
    overrides = "--parameter-overrides ModelStore=s3://models/news ModelVersion=0123456789abcdef"
    overrides += " Access=iam Architecture=arm64"
    assert build.endswith(f"sam build {overrides}")
    assert "--config-env prod --stack-name text-classifier-prod " in deploy
    assert deploy.endswith(overrides)
    assert "--role-arn" not in deploy


def test_a_deployment_hands_on_the_role_of_cloudformation() -> None:
    *_, deploy = told("deploy", "EXECUTION_ROLE=arn:aws:iam::123456789012:role/executes")
    assert "--stack-name text-classifier-dev --role-arn arn:aws:iam::123456789012:role/" in deploy


def test_a_deployment_ends_the_candidate_once_the_image_is_built() -> None:
    build, end, deploy = told("deploy", "ENV=prod")
    assert "/sam build" in build
    assert "operations.candidate end text-classifier-prod" in end
    assert "/sam deploy" in deploy


@pytest.mark.parametrize(
    ("target", "variables", "ending"),
    [
        ("live", [], "operations.stack text-classifier-prod"),
        ("smoke", [], "operations.smoke text-classifier-prod"),
        ("smoke", ["URL=https://api"], "operations.smoke https://api"),
        (
            "candidate",
            ["MODEL_URI=s3://models/news/0123456789abcdef", "WEIGHT=5"],
            "operations.candidate start text-classifier-prod s3://models/news/0123456789abcdef 5",
        ),
        ("compare", [], "operations.compare text-classifier-prod 24"),
        ("rollback", [], "operations.rollback text-classifier-prod"),
        ("rollback", ["VERSION=7"], "operations.rollback text-classifier-prod 7"),
        ("destroy", [], "sam delete --stack-name text-classifier-prod"),
    ],
)
def test_what_is_done_to_an_environment_is_done_to_its_stack(
    target: str, variables: list[str], ending: str
) -> None:
    (command,) = told(target, "ENV=prod", *variables)
    assert command.strip().endswith(ending)


def test_nothing_is_deleted_without_asking() -> None:
    # GIVEN a stack that is to be deleted THEN sam asks, and what stays is said before
    (command,) = told("destroy")
    assert "--no-prompts" not in command
    assert "It keeps the model store" in (ROOT / "Makefile").read_text()
