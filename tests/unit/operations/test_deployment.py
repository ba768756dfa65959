import pytest

from operations.deployment import (
    Deployment,
    find_architecture,
    parse_pairs,
    plan_deployment,
    require_access,
)
from operations.stack import StackError
from tests.account import MODEL, STORE, Account

TEMPLATE = b"Resources: {}"
OLD = f"{STORE}/00112233445566aa"


def plan(account: Account, *pairs: str, template: bytes = TEMPLATE) -> Deployment:
    return plan_deployment(account.lambda_, account.find(), parse_pairs(pairs), template)


def test_a_deployment_that_names_no_model_keeps_the_one_that_serves(account: Account) -> None:
    # GIVEN a stack that deployed version 8, and the earlier version 7 that serves after a rollback
    account.describe(Version="8")
    account.serve("7")
    account.has_model("7", OLD)
    account.list_versions()
    # WHEN the next deployment names no model THEN it gets that of version 7
    parameters = plan(account).parameters
    assert (parameters["ModelStore"], parameters["ModelVersion"]) == (STORE, "00112233445566aa")


@pytest.mark.parametrize(
    ("pair", "model"),
    [
        ("ModelVersion=fedcba9876543210", (STORE, "fedcba9876543210")),
        ("ModelStore=s3://other/news", ("s3://other/news", "00112233445566aa")),
    ],
)
def test_half_a_model_is_completed_by_the_one_that_serves(
    account: Account, pair: str, model: tuple[str, str]
) -> None:
    # GIVEN a stack that serves a model
    account.describe(Version="7")
    account.serve("7")
    account.has_model("7", OLD)
    account.list_versions()
    # WHEN the next deployment names only its store or its version THEN it gets what it names
    parameters = plan(account, pair).parameters
    assert (parameters["ModelStore"], parameters["ModelVersion"]) == model


def test_after_a_rollback_cloudformation_moves_the_alias_itself(account: Account) -> None:
    # GIVEN an alias that is not where the stack put it, which CodeDeploy would refuse
    account.describe(Version="8")
    account.serve("7")
    account.list_versions()
    # WHEN a model is deployed THEN CodeDeploy is left out, and the user is told
    planned = plan(account, *(f"{name}={value}" for name, value in MODEL.items()))
    assert planned.parameters["ShiftTraffic"] == "false"
    assert "version 7 serves" in planned.note
    assert "without a canary" in planned.note


def test_one_deployment_leaves_codedeploy_out_on_request(account: Account) -> None:
    # GIVEN a stack whose alarm is on, so that CodeDeploy would stop the deployment of the cure
    account.describe(parameters={"ShiftTraffic": "true"}, Version="8")
    account.serve("8")
    account.list_versions()
    # WHEN the cure is deployed with ShiftTraffic=false THEN all requests go to it at once
    asked = (*(f"{name}={value}" for name, value in MODEL.items()), "ShiftTraffic=false")
    assert plan(account, *asked).parameters["ShiftTraffic"] == "false"


def test_a_usual_deployment_has_a_canary_again(account: Account) -> None:
    # GIVEN a stack whose last deployment finished a rollback
    account.describe(parameters={"ShiftTraffic": "false"}, Version="8")
    account.serve("8")
    account.list_versions()
    # WHEN the next model is deployed THEN CodeDeploy shifts the traffic
    planned = plan(account, *(f"{name}={value}" for name, value in MODEL.items()))
    assert planned.parameters["ShiftTraffic"] == "true"
    assert planned.note == ""


def test_traffic_is_shifted_or_not(account: Account) -> None:
    account.describe(Version="8")
    account.serve("8")
    with pytest.raises(StackError, match="ShiftTraffic=no: choose true or false"):
        plan(account, *(f"{name}={value}" for name, value in MODEL.items()), "ShiftTraffic=no")


@pytest.mark.parametrize(
    ("parameters", "asked", "architecture"),
    [
        ({"Architecture": "arm64"}, {}, "arm64"),
        ({"Architecture": "arm64"}, {"Architecture": "x86_64"}, "x86_64"),
        ({}, {}, "x86_64"),
    ],
)
def test_the_processor_stays_that_of_the_stack(
    account: Account, parameters: dict[str, str], asked: dict[str, str], architecture: str
) -> None:
    account.describe(parameters=parameters)
    assert find_architecture(account.find(), asked) == architecture


def test_an_unknown_processor_is_refused() -> None:
    with pytest.raises(StackError, match="Architecture=mips: choose one of x86_64, arm64"):
        find_architecture(None, {"Architecture": "mips"})


def revision(
    account: Account, *pairs: str, template: bytes = TEMPLATE, deployed: str = "", newest: str = ""
) -> str:
    account.describe(parameters={"Revision": deployed}, Version="8")
    account.serve("8")
    if newest:
        account.list_versions({"8": "s3://m 8 one", "10": f"s3://m 10 {newest}", "9": "s3://m 9"})
    model = [f"{name}={value}" for name, value in MODEL.items()]
    return plan(account, *model, *pairs, template=template).parameters["Revision"]


@pytest.mark.parametrize(
    "pair",
    [
        "SubnetIds=subnet-2",
        "SecurityGroupIds=sg-2",
        "KmsKeyArn=arn:aws:kms:us-east-1:123456789012:key/2",
        "Image=123456789012.dkr.ecr.us-east-1.amazonaws.com/text-classifier@sha256:2",
    ],
)
def test_every_change_of_the_function_is_another_revision(account: Account, pair: str) -> None:
    before = revision(account, pair.replace("2", "1"), newest="other")
    assert revision(account, pair, newest="other") != before
    assert revision(account, pair.replace("2", "1"), newest="other") == before


def test_another_template_is_another_revision(account: Account) -> None:
    other = revision(account, template=b"Resources: {Other: {}}", newest="other")
    assert revision(account, newest="other") != other


def test_a_deployment_that_failed_can_be_repeated(account: Account) -> None:
    # GIVEN a version that a failed deployment left behind
    failed = revision(account, newest="other")
    # WHEN the deployment is repeated THEN its version differs, or Lambda would not publish it
    again = revision(account, newest=failed)
    assert again != failed
    # AND once more
    assert revision(account, newest=again) != again


@pytest.mark.parametrize("suffix", ["", "x"])
def test_a_deployment_without_a_change_publishes_nothing(account: Account, suffix: str) -> None:
    deployed = revision(account, newest="other") + suffix
    assert revision(account, deployed=deployed) == deployed


@pytest.mark.parametrize("model", [{}, {"ModelVersion": MODEL["ModelVersion"]}])
def test_the_first_deployment_needs_a_model(account: Account, model: dict[str, str]) -> None:
    with pytest.raises(StackError, match="give MODEL_URI"):
        plan_deployment(account.lambda_, None, {"Access": "iam", **model}, TEMPLATE)


def test_a_deployment_says_who_may_call() -> None:
    require_access({"Access": "iam"})
    with pytest.raises(StackError, match="who may call the API"):
        require_access({"Access": ""})


@pytest.mark.parametrize("pair", ["Access", "=iam"])
def test_a_parameter_has_a_name_and_a_value(pair: str) -> None:
    with pytest.raises(StackError, match="NAME=VALUE"):
        parse_pairs((pair,))
