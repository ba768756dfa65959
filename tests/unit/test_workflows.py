"""The workflows and forms in .github: permissions, pinned actions, and commands that exist."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from operations.smoke import AccessError, SmokeError
from tests.conftest import ROOT

FOLDER = ROOT / ".github" / "workflows"
DEPLOY = FOLDER / "deploy.yml"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*_*.yml"))
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")
MAKEFILE = (ROOT / "Makefile").read_text()

each_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)


def jobs(file: Path) -> dict[str, Any]:
    section: dict[str, Any] = yaml_parse(file.read_text())["jobs"]
    return section


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(file).values() for step in job["steps"]]


@each_workflow
def test_every_action_is_pinned_with_its_version_in_a_comment(file: Path) -> None:
    uses = re.findall(r"uses: (\S+)(.*)", file.read_text())
    assert uses
    for action, comment in uses:
        assert PINNED.fullmatch(action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_an_action_has_the_same_version_everywhere() -> None:
    actions = {step["uses"] for file in WORKFLOWS for step in steps(file) if "uses" in step}
    assert len({action.partition("@")[0] for action in actions}) == len(actions)


@each_workflow
def test_a_job_has_only_the_permissions_it_needs(file: Path) -> None:
    assert yaml_parse(file.read_text())["permissions"] == {}
    for job in jobs(file).values():
        identity = {"id-token": "write"} if "environment" in job else {}
        assert job["permissions"] == {"contents": "read"} | identity
        assert 0 < job["timeout-minutes"] <= 120


@each_workflow
def test_no_token_stays_in_the_checkout(file: Path) -> None:
    checkouts = [
        step for step in steps(file) if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert len(checkouts) == len(jobs(file))
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


@each_workflow
def test_no_expression_becomes_part_of_a_command(file: Path) -> None:
    commands = [step["run"] for step in steps(file) if "run" in step]
    assert commands
    assert not [command for command in commands if "${{" in command]


@each_workflow
def test_every_make_target_exists(file: Path) -> None:
    targets = {
        target
        for step in steps(file)
        for target in re.findall(r"\bmake (?:--silent )?([a-z-]+)", step.get("run", ""))
    }
    assert targets
    assert targets <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_every_variable_of_an_environment_is_documented() -> None:
    page = (ROOT / "docs" / "github.md").read_text()
    for name in re.findall(r"(?:vars|secrets)\.(\w+)", DEPLOY.read_text()):
        assert f"`{name}`" in page


def test_prod_follows_dev_and_one_deployment_the_other() -> None:
    workflow = yaml_parse(DEPLOY.read_text())
    assert workflow["concurrency"] == {"group": "deploy", "cancel-in-progress": False}
    assert workflow["jobs"]["prod"]["needs"] == "dev"
    assert workflow["jobs"]["prod"]["steps"] == workflow["jobs"]["dev"]["steps"]
    for name, job in workflow["jobs"].items():
        assert job["environment"] == job["env"]["ENV"] == name


def test_a_deployment_that_does_not_answer_is_rolled_back_to_the_version_before() -> None:
    # GIVEN the steps of a deployment
    by_id = {step.get("id"): step for step in steps(DEPLOY)}
    commands = [step.get("run", "") for step in steps(DEPLOY)]
    # THEN the version is noted first, and a failed smoke test rolls back to it
    assert commands.index(by_id["before"]["run"]) < commands.index("make deploy")
    assert commands.index("make deploy") < commands.index(by_id["smoke"]["run"])
    rollback = next(step for step in by_id.values() if step.get("run") == "make rollback")
    assert rollback["env"] == {"VERSION": "${{ steps.before.outputs.version }}"}


def test_an_api_that_refuses_the_job_is_not_rolled_back(tmp_path: Path) -> None:
    # GIVEN the step that checks the API, and a check that ends with each code
    (step,) = (one for one in steps(DEPLOY)[:9] if one.get("id") == "smoke")
    command = tmp_path / ".venv" / "bin" / "textclf"
    command.parent.mkdir(parents=True)
    for code in (0, 1, AccessError.exit_code):
        command.write_text(f"#!/bin/sh\nexit {code}\n")
        command.chmod(0o755)
        output = tmp_path / f"output-{code}"
        environment = {"ENV": "dev", "GITHUB_OUTPUT": str(output), "PATH": os.environ["PATH"]}
        # WHEN it runs, as GitHub runs it
        shell = ["bash", "-e", "-c", step["run"]]
        done = subprocess.run(shell, cwd=tmp_path, env=environment, check=False)
        # THEN it fails with the same code and passes it on
        assert done.returncode == code
        assert output.read_text() == f"code={code}\n"
    # THEN only code 1, a wrong answer or none, leads to a rollback
    (rollback,) = (one for one in steps(DEPLOY)[:9] if one.get("run") == "make rollback")
    assert "steps.smoke.outputs.code == '1'" in rollback["if"]
    assert AccessError.exit_code != SmokeError.exit_code == 1


def test_prod_gets_the_image_that_dev_tested() -> None:
    # GIVEN the two jobs, which share their steps
    by_job = jobs(DEPLOY)
    # THEN dev notes the digest after its check, and both give what dev noted to make
    assert by_job["dev"]["outputs"] == {"image": "${{ steps.image.outputs.digest }}"}
    ids = [step.get("id") for step in by_job["dev"]["steps"]]
    assert ids.index("smoke") < ids.index("image")
    deploy = next(step for step in by_job["prod"]["steps"] if step.get("run") == "make deploy")
    assert deploy["env"]["IMAGE"] == "${{ needs.dev.outputs.image }}"


def test_all_tests_run_on_the_oldest_python_and_on_the_one_in_the_image() -> None:
    oldest, image = jobs(FOLDER / "ci.yml")["test"]["strategy"]["matrix"]["python"]
    assert f'requires-python = ">={oldest}"' in (ROOT / "pyproject.toml").read_text()
    assert f"lambda/python:{image}" in (ROOT / "docker" / "Dockerfile").read_text()


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.stem)
def test_every_field_of_an_issue_form_has_a_label_and_its_own_id(file: Path) -> None:
    form = yaml_parse(file.read_text())
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert all(field["attributes"]["label"] for field in fields)
    assert len({field["id"] for field in fields}) == len(fields)
