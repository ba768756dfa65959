"""The workflows of GitHub: what they may do, what they run, and what they run it with."""

import re
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.conftest import ROOT

FOLDER = ROOT / ".github" / "workflows"
DEPLOY = FOLDER / "deploy.yml"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()

workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)


def jobs(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml_parse(file.read_text())["jobs"]
    return found


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(file).values() for step in job["steps"]]


@workflow
def test_every_action_is_pinned_and_its_version_named(file: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", file.read_text())
    assert used
    for action, comment in used:
        assert PINNED.fullmatch(action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_an_action_has_one_version() -> None:
    used = {step["uses"] for file in WORKFLOWS for step in steps(file) if "uses" in step}
    assert len({action.partition("@")[0] for action in used}) == len(used)


@workflow
def test_nothing_is_permitted_but_what_a_job_names(file: Path) -> None:
    assert yaml_parse(file.read_text())["permissions"] == {}
    for job in jobs(file).values():
        identity = {"id-token": "write"} if "environment" in job else {}
        assert job["permissions"] == {"contents": "read"} | identity
        assert 0 < job["timeout-minutes"] <= 120


@workflow
def test_no_token_stays_in_the_checkout(file: Path) -> None:
    checkouts = [one for one in steps(file) if one.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(jobs(file))
    assert all(one["with"] == {"persist-credentials": False} for one in checkouts)


@workflow
def test_no_expression_becomes_part_of_a_command(file: Path) -> None:
    commands = [step["run"] for step in steps(file) if "run" in step]
    assert commands
    assert not [command for command in commands if "${{" in command]


@workflow
def test_every_make_target_that_is_called_exists(file: Path) -> None:
    called = {
        target
        for step in steps(file)
        for target in re.findall(r"\bmake (?:--silent )?([a-z-]+)", step.get("run", ""))
    }
    assert called
    assert called <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_every_variable_of_an_environment_is_in_the_readme() -> None:
    text = DEPLOY.read_text()
    for name in re.findall(r"(?:vars|secrets)\.(\w+)", text):
        assert f"`{name}`" in README


def test_prod_follows_dev_and_never_two_at_once() -> None:
    text = DEPLOY.read_text()
    found = yaml_parse(text)
    assert found["concurrency"] == {"group": "deploy", "cancel-in-progress": False}
    assert found["jobs"]["prod"]["needs"] == "dev"
    assert found["jobs"]["prod"]["steps"] == found["jobs"]["dev"]["steps"]
    for name, job in found["jobs"].items():
        assert job["environment"] == job["env"]["ENV"] == name


def test_a_deployment_that_does_not_answer_goes_back_to_what_served_before() -> None:
    # GIVEN the steps of a deployment
    by_id = {step.get("id"): step for step in steps(DEPLOY)}
    commands = [step.get("run", "") for step in steps(DEPLOY)]
    # THEN the version is noted before, and goes to the rollback that a failed smoke test causes
    assert commands.index(by_id["before"]["run"]) < commands.index("make deploy")
    assert commands.index("make deploy") < commands.index("make smoke")
    back = next(one for one in by_id.values() if one.get("run") == "make rollback")
    assert back["env"] == {"VERSION": "${{ steps.before.outputs.version }}"}
    assert "steps.smoke.outcome == 'failure'" in back["if"]


def test_the_tests_run_on_the_oldest_python_and_that_of_the_image() -> None:
    oldest, image = jobs(FOLDER / "ci.yml")["test"]["strategy"]["matrix"]["python"]
    assert f'requires-python = ">={oldest}"' in (ROOT / "pyproject.toml").read_text()
    assert f"lambda/python:{image}" in (ROOT / "docker" / "Dockerfile").read_text()
