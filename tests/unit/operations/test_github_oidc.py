"""The roles for deployments from GitHub: who may take them, and the most they can do."""

import fnmatch
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.cloudformation import EVERYTHING, deployed
from tests.conftest import ROOT

FILE = ROOT / "operations" / "github-oidc.yaml"
RESOURCES: dict[str, Any] = yaml_parse(FILE.read_text())["Resources"]
STACK = "text-classifier-"  # starts the names of both stacks


def statements(resource: str) -> list[dict[str, Any]]:
    properties = RESOURCES[resource]["Properties"]
    documents = [properties] if "PolicyDocument" in properties else properties["Policies"]
    listed = [each for document in documents for each in document["PolicyDocument"]["Statement"]]
    # Optional statements count.
    return [each["Fn::If"][1] if "Fn::If" in each else each for each in listed]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def actions(statement: dict[str, Any]) -> set[str]:
    return set(as_list(statement["Action"]))


def test_only_one_environment_of_one_repository_may_take_the_role() -> None:
    (trust,) = RESOURCES["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    host = "token.actions.githubusercontent.com"
    assert trust["Condition"] == {
        "StringEquals": {
            f"{host}:aud": "sts.amazonaws.com",
            f"{host}:sub": {"Fn::Sub": "repo:${Repository}:environment:${Environment}"},
        }
    }


@pytest.mark.parametrize("role", ["DeployRole", "ExecutionRole"])
def test_a_deployment_touches_only_roles_of_the_stack(role: str) -> None:
    for statement in statements(role):
        if not any(action.startswith("iam:") for action in actions(statement)):
            continue
        for resource in as_list(statement["Resource"]):
            own = {"Fn::GetAtt": ["ExecutionRole", "Arn"]}
            assert resource == own or f":role/{STACK}" in resource["Fn::Sub"]


@pytest.mark.parametrize("role", ["DeployRole", "ExecutionRole"])
def test_a_deployment_cannot_touch_the_roles_that_deploy(role: str) -> None:
    assert not RESOURCES[role]["Properties"]["RoleName"]["Fn::Sub"].startswith(STACK)


def test_roles_get_permissions_only_within_the_boundary() -> None:
    within = {"StringEquals": {"iam:PermissionsBoundary": {"Ref": "Boundary"}}}
    unseen = {"iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"}
    for statement in statements("ExecutionRole"):
        if actions(statement) & unseen:
            assert statement["Condition"] == within
            unseen -= actions(statement)
        assert not actions(statement) & {
            "iam:*",
            "iam:AttachRolePolicy",
            "iam:DeleteRolePermissionsBoundary",
        }
    assert not unseen


@pytest.mark.parametrize("role", ["DeployRole", "ExecutionRole"])
def test_all_actions_of_a_service_are_allowed_only_on_resources_of_the_stack(role: str) -> None:
    for statement in statements(role):
        if any(action.endswith(":*") for action in actions(statement)):
            for resource in as_list(statement["Resource"]):
                assert "text-classifier-${Environment}" in resource["Fn::Sub"]


def test_the_boundary_allows_everything_that_the_roles_of_the_stack_need() -> None:
    # GIVEN the permissions of the roles in template.yaml, with every option
    allowed = set().union(*map(actions, statements("Boundary")))
    for options in (EVERYTHING, {**EVERYTHING, "Access": "public"}):
        for resource in deployed(**options)["Resources"].values():
            if resource["Type"] != "AWS::IAM::Role":
                continue
            for policy in resource["Properties"]["Policies"]:
                for statement in policy["PolicyDocument"]["Statement"]:
                    # THEN the boundary allows them too
                    assert actions(statement) <= allowed


def test_every_kind_of_resource_in_the_stack_may_be_created() -> None:
    granted = set().union(*map(actions, statements("ExecutionRole")))
    services = {
        "AWS::ApiGatewayV2": "apigateway",
        "AWS::CloudWatch": "cloudwatch",
        "AWS::CodeDeploy": "codedeploy",
        "AWS::DynamoDB": "dynamodb",
        "AWS::Events": "events",
        "AWS::IAM": "iam",
        "AWS::Lambda": "lambda",
        "AWS::Logs": "logs",
        "AWS::SNS": "sns",
        "AWS::SecretsManager": "secretsmanager",
        "AWS::StepFunctions": "states",
    }
    for resource in deployed(**EVERYTHING)["Resources"].values():
        service = services[resource["Type"].rpartition("::")[0]]
        assert fnmatch.filter(granted, f"{service}:*"), resource["Type"]
