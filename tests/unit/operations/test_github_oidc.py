"""The roles for deployments from GitHub: who may take them, and the most they can do."""

import fnmatch
import json
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint
import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.cloudformation import EVERYTHING, deployed, transformed
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


# What the handlers of CloudFormation may call, but the stack's resources never make them call. The
# role must not have it: some would go around the boundary, or delete predictions.
UNUSED = {
    "a table of another region, an import or a stream": {
        "dynamodb:AssociateTableReplica",
        "dynamodb:BatchWriteItem",
        "dynamodb:CreateTableReplica",
        "dynamodb:DeleteItem",
        "dynamodb:DescribeImport",
        "dynamodb:DisableKinesisStreamingDestination",
        "dynamodb:EnableKinesisStreamingDestination",
        "dynamodb:GetItem",
        "dynamodb:ImportTable",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:Scan",
        "dynamodb:UpdateItem",
        "dynamodb:UpdateKinesisStreamingDestination",
        "iam:CreateServiceLinkedRole",
        "kinesis:DescribeStream",
        "kinesis:PutRecords",
        "s3:GetObjectMetadata",
        "s3:ListBucket",
    },
    "contributor insights or a policy of the table": {
        "dynamodb:DeleteResourcePolicy",
        "dynamodb:PutResourcePolicy",
        "dynamodb:UpdateContributorInsights",
    },
    "no action that IAM knows: tags take apigateway:POST, and cloudfront:CreateDistribution": {
        "apigateway:TagResource",
        "apigateway:UntagResource",
        "cloudfront:CreateDistributionWithTags",
    },
    "the table is kept": {"dynamodb:DeleteTable"},
    "a file system": {"elasticfilesystem:DescribeMountTargets", "s3files:ListMountTargets"},
    "a view of another account's bills": {"billing:GetBillingViewData"},
    "a routing control": {"route53-recovery-control-config:DescribeRoutingControl"},
    "another kind of distribution": {
        "cloudfront:CreateConnectionGroup",
        "cloudfront:GetConnectionGroup",
        "cloudfront:GetVpcOrigin",
        "cloudfront:UpdateDistributionWithStagingConfig",
    },
    "a web ACL that takes payments": {"payments:GetConnectedAccount"},
    "a key named by its alias": {"kms:ListAliases"},
    "a log in another service": {"firehose:TagDeliveryStream", "s3:REST.PUT.OBJECT"},
    "a secret in another region": {
        "secretsmanager:RemoveRegionsFromReplication",
        "secretsmanager:ReplicateSecretToRegions",
    },
    "managed policies, and roles without the boundary": {
        "iam:AttachRolePolicy",
        "iam:DeleteRolePermissionsBoundary",
        "iam:DetachRolePolicy",
    },
}


def types_in_the_template() -> set[str]:
    """Return every type of resource that any parameters may bring into the stack."""
    return {resource["Type"] for resource in transformed()["Resources"].values()}


@cache
def called_by_handlers(kind: str) -> frozenset[str]:
    """Return what CloudFormation calls for a type of resource, as its schema lists it.

    https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
    """
    # cfn-lint ships the schemas that CloudFormation publishes.
    schemas = Path(cfnlint.__file__).parent / "data" / "schemas"
    names = json.loads((schemas / "providers" / "us-east-1.json").read_text())
    schema = json.loads((schemas / "resources" / f"{names[kind]}.json").read_text())
    handlers = [schema["handlers"].get(name, {}) for name in ("create", "read", "update", "delete")]
    return frozenset(action for one in handlers for action in one.get("permissions", []))


def is_granted(action: str) -> bool:
    """Tell whether the execution role has an action, which IAM compares without case."""
    granted = {one.lower() for one in set().union(*map(actions, statements("ExecutionRole")))}
    return any(fnmatch.fnmatchcase(action.lower(), pattern) for pattern in granted)


@pytest.mark.parametrize("kind", sorted(types_in_the_template()))
def test_cloudformation_may_call_everything_that_a_resource_needs(kind: str) -> None:
    # GIVEN what the schema of the resource says that its handlers call
    called = called_by_handlers(kind)
    assert called
    # THEN the role grants it, unless the stack cannot need it
    unused = set().union(*UNUSED.values())
    assert {action for action in called if not is_granted(action)} <= unused


def test_what_the_stack_cannot_need_is_not_granted_and_is_in_the_schemas() -> None:
    called = set().union(*map(called_by_handlers, types_in_the_template()))
    for reason, unused in UNUSED.items():
        assert unused <= called, reason
        # The handlers of other types need some of these, on resources of the stack.
        assert not {action for action in unused if is_granted(action)}, reason


def test_cloudformation_may_pass_each_role_to_the_service_that_takes_it() -> None:
    # GIVEN the services that take the roles of the stack
    resources = transformed()["Resources"].values()
    takers = {
        statement["Principal"]["Service"]
        for resource in resources
        if resource["Type"] == "AWS::IAM::Role"
        for statement in resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    }
    # THEN the role may be passed to them, and to no other
    (passing,) = (one for one in statements("ExecutionRole") if actions(one) == {"iam:PassRole"})
    assert set(passing["Condition"]["StringEquals"]["iam:PassedToService"]) == takers


def test_the_key_is_the_only_one_that_cloudformation_may_use() -> None:
    for role in ("DeployRole", "ExecutionRole"):
        for statement in statements(role):
            if any(action.startswith("kms:") for action in actions(statement)):
                assert statement["Resource"] == {"Ref": "KmsKeyArn"}
