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


def recipe(*variables: str) -> str:
    """Return what `make deploy` would run, on one line."""
    command = ["make", "--dry-run", "deploy", *variables]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return " ".join(process.stdout.replace("\\\n", " ").split())


def test_a_deployment_passes_every_parameter_to_each_of_its_steps() -> None:
    # GIVEN a model and parameters
    variables = [
        "MODEL_URI=s3://models/news/0123456789abcdef",
        "PARAMETERS=Access=iam Architecture=arm64",
    ]
    # WHEN they are deployed
    steps = recipe("ENV=prod", *variables)
    # THEN all steps that depend on them get all of them
    pairs = "ModelStore=s3://models/news ModelVersion=0123456789abcdef"
    pairs += " Access=iam Architecture=arm64"
    for step in ("check", "image", "parameters"):
        assert f"/textclf {step} text-classifier-prod {pairs}" in steps
    assert "--config-env prod --stack-name text-classifier-prod " in steps
    # AND sam gets them in one option, because it heeds only the last one
    assert steps.count("--parameter-overrides") == 1
    assert "--role-arn" not in steps


def test_a_deployment_passes_on_the_role_for_cloudformation() -> None:
    steps = recipe("EXECUTION_ROLE=arn:aws:iam::123456789012:role/executes")
    assert "--stack-name text-classifier-dev --role-arn arn:aws:iam::123456789012:role/" in steps


def test_a_deployment_ends_the_candidate_after_building_the_image() -> None:
    steps = recipe("ENV=prod")
    order = [steps.index(f"textclf {step}") for step in ("check", "image", "candidate end")]
    assert [*order, steps.index("/sam deploy")] == sorted([*order, steps.index("/sam deploy")])


def test_an_image_that_was_tested_before_is_not_built_again() -> None:
    digest = f"sha256:{'a' * 64}"
    assert f"textclf image text-classifier-prod --image {digest})" in recipe(
        "ENV=prod", f"IMAGE={digest}"
    )


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    """A checkout whose textclf and sam write down their arguments."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    for name in ("pip", "local"):
        (tmp_path / ".venv" / name).touch()
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    (folder / "textclf").write_text(
        '#!/bin/sh\necho "textclf $*" >> calls\n'
        'case "$1" in\n'
        "  image) echo host/text-classifier@sha256:abc ;;\n"
        '  parameters) shift 2; echo "ShiftTraffic=false $*" ;;\n'
        '  $FAILS) echo "error: no" >&2; exit 1 ;;\n'
        "esac\n"
    )
    (folder / "sam").write_text('#!/bin/sh\necho "sam $*" >> calls\n')
    for file in folder.iterdir():
        file.chmod(0o755)
    for name in ("pip", "local"):  # newer than what they are made from
        os.utime(tmp_path / ".venv" / name)
    return tmp_path


def deploy(folder: Path, **environment: str) -> tuple[int, list[str]]:
    """Run `make deploy` in a folder; return its exit code and the commands it ran."""
    done = subprocess.run(
        ["make", "deploy", "ENV=prod", "PARAMETERS=Access=iam", "--old-file=Makefile"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "FAILS": "none"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (folder / "calls").read_text().splitlines()


def test_what_serves_now_reaches_sam(stand_ins: Path) -> None:
    # GIVEN a stack after a rollback, for which `textclf parameters` adds ShiftTraffic=false
    # WHEN it is deployed
    code, calls = deploy(stand_ins)
    # THEN sam gets it, with the image that was pushed
    assert code == 0
    (call,) = (call for call in calls if call.startswith("sam "))
    assert call == (
        "sam deploy --template-file template.yaml --config-env prod "
        "--stack-name text-classifier-prod --image-repository host/text-classifier "
        "--parameter-overrides ShiftTraffic=false Access=iam Image=host/text-classifier@sha256:abc"
    )


def test_nothing_is_built_or_deployed_after_a_failed_check(stand_ins: Path) -> None:
    code, calls = deploy(stand_ins, FAILS="check")
    assert code != 0
    assert calls == ["textclf check text-classifier-prod Access=iam"]


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


def test_each_region_gets_a_copy_of_the_model_and_a_stack() -> None:
    # GIVEN two regions, one of which needs a certificate of its own
    command = ["make", "--dry-run", "deploy", "ENV=prod", "REGIONS=us-east-1 eu-west-1"]
    command += ["MODEL_URI=s3://models/news/0123456789abcdef", "PARAMETERS=Access=iam"]
    command += ["PARAMETERS_eu-west-1=CertificateArn=arn:aws:acm:eu-west-1:1:certificate/1"]
    # WHEN they are deployed, without starting anything
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    script = process.stdout.rpartition("set -e; ")[2]
    # THEN each gets the model in its own bucket, and a deployment with its own parameters
    first, second = script.split('echo "eu-west-1:"')
    uri = "s3://models/news/0123456789abcdef"
    for text, region in ((first, "us-east-1"), (second, "eu-west-1")):
        assert f"textclf replicate {uri} {region})" in text
        assert f"AWS_REGION={region} AWS_DEFAULT_REGION={region} " in text
        assert "deploy REGIONS= MODEL_URI=$uri" in " ".join(text.split())
    assert 'PARAMETERS="Access=iam"' in first
    assert 'PARAMETERS="Access=iam CertificateArn=arn:aws:acm:eu-west-1' in second


def test_a_deployment_tags_what_it_creates_and_prunes_snapshots() -> None:
    commands = " ".join(planned("deploy", "ENV=prod", "TAGS=project=news team=search"))
    command = ["make", "--dry-run", "deploy", "TAGS=project=news team=search"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--tags project=news team=search;" in process.stdout
    assert "textclf prune text-classifier-prod --with-snapshots" in commands
    assert "--tags" not in " ".join(planned("deploy"))
