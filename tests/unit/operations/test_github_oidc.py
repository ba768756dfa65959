"""Who may deploy from GitHub, and what the roles made there can do at most."""

import fnmatch
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.cloudformation import deployed
from tests.conftest import ROOT
from tests.unit.test_template import EVERYTHING

FILE = ROOT / "operations" / "github-oidc.yaml"
RESOURCES: dict[str, Any] = yaml_parse(FILE.read_text())["Resources"]
STACK = "text-classifier-"  # of dev and prod


def statements(resource: str) -> list[dict[str, Any]]:
    properties = RESOURCES[resource]["Properties"]
    documents = [properties] if "PolicyDocument" in properties else properties["Policies"]
    found = [one for document in documents for one in document["PolicyDocument"]["Statement"]]
    return [one["Fn::If"][1] if "Fn::If" in one else one for one in found]  # with every option


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def actions(statement: dict[str, Any]) -> set[str]:
    return set(as_list(statement["Action"]))


def test_only_one_environment_of_one_repository_becomes_the_role() -> None:
    (trust,) = RESOURCES["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    host = "token.actions.githubusercontent.com"
    assert trust["Condition"] == {
        "StringEquals": {
            f"{host}:aud": "sts.amazonaws.com",
            f"{host}:sub": {"Fn::Sub": "repo:${Repository}:environment:${Environment}"},
        }
    }


@pytest.mark.parametrize("role", ["DeployRole", "ExecutionRole"])
def test_a_deployment_touches_no_role_but_those_of_the_stack(role: str) -> None:
    for statement in statements(role):
        if not any(action.startswith("iam:") for action in actions(statement)):
            continue
        for resource in as_list(statement["Resource"]):
            own = {"Fn::GetAtt": ["ExecutionRole", "Arn"]}
            assert resource == own or f":role/{STACK}" in resource["Fn::Sub"]


@pytest.mark.parametrize("role", ["DeployRole", "ExecutionRole"])
def test_the_roles_of_the_stack_cannot_be_these(role: str) -> None:
    """Else a deployment could rewrite who may deploy."""
    assert not RESOURCES[role]["Properties"]["RoleName"]["Fn::Sub"].startswith(STACK)


def test_a_role_is_given_rights_only_within_the_boundary() -> None:
    within = {"StringEquals": {"iam:PermissionsBoundary": {"Ref": "Boundary"}}}
    giving = {"iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"}
    for statement in statements("ExecutionRole"):
        if actions(statement) & giving:
            assert statement["Condition"] == within
            giving -= actions(statement)
        assert not actions(statement) & {
            "iam:*",
            "iam:AttachRolePolicy",
            "iam:DeleteRolePermissionsBoundary",
        }
    assert not giving


@pytest.mark.parametrize("role", ["DeployRole", "ExecutionRole"])
def test_every_action_of_a_service_is_granted_only_by_name(role: str) -> None:
    for statement in statements(role):
        if any(action.endswith(":*") for action in actions(statement)):
            for resource in as_list(statement["Resource"]):
                assert "text-classifier-${Environment}" in resource["Fn::Sub"]


def test_the_boundary_leaves_the_stacks_roles_all_they_need() -> None:
    # GIVEN what the roles of template.yaml are allowed, with every option
    allowed = set().union(*map(actions, statements("Boundary")))
    for options in (EVERYTHING, {**EVERYTHING, "Access": "public"}):
        for one in deployed(**options)["Resources"].values():
            if one["Type"] != "AWS::IAM::Role":
                continue
            for policy in one["Properties"]["Policies"]:
                for statement in policy["PolicyDocument"]["Statement"]:
                    # THEN the boundary allows it too
                    assert actions(statement) <= allowed


def test_what_the_stack_is_made_of_may_be_made() -> None:
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
    for one in deployed(**EVERYTHING)["Resources"].values():
        service = services[one["Type"].rpartition("::")[0]]
        assert fnmatch.filter(granted, f"{service}:*"), one["Type"]
