from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from mypy_boto3_cloudformation import CloudFormationClient
from mypy_boto3_lambda import LambdaClient

from delivery.rollback import RollbackError, rollback
from delivery.stack import serving

NAME = "stack-Classifier-1"


@dataclass(frozen=True)
class Account:
    """Clients that answer what they are told to and nothing else."""

    cloudformation: CloudFormationClient
    lambda_: LambdaClient
    stack: Stubber
    function: Stubber

    def rollback(self, *version: str) -> str:
        return rollback(self.cloudformation, self.lambda_, "stack", *version)

    def serving(self) -> str:
        return serving(self.cloudformation, self.lambda_, "stack")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    cloudformation = boto3.client("cloudformation", region_name="us-east-1")
    lambda_ = boto3.client("lambda", region_name="us-east-1")
    with Stubber(cloudformation) as stack, Stubber(lambda_) as function:
        yield Account(cloudformation, lambda_, stack, function)
        stack.assert_no_pending_responses()
        function.assert_no_pending_responses()


def describe(account: Account, status: str, *, deployed: bool = True) -> None:
    answer: Any = {
        "StackName": "stack",
        "CreationTime": "2026-01-01T00:00:00Z",
        "StackStatus": status,
        "Outputs": [{"OutputKey": "Function", "OutputValue": NAME}] if deployed else [],
    }
    account.stack.add_response("describe_stacks", {"Stacks": [answer]}, {"StackName": "stack"})


def serve(account: Account, version: str, *published: str) -> None:
    alias = {"FunctionName": NAME, "Name": "live"}
    account.function.add_response("get_alias", {"FunctionVersion": version}, alias)
    if published:
        versions = [{"Version": one} for one in ("$LATEST", *published)]
        asked = {"FunctionName": NAME}
        account.function.add_response("list_versions_by_function", {"Versions": versions}, asked)


def expect_update(account: Account, version: str) -> None:
    # All traffic at once: no weight of another version stays.
    routing: dict[str, Any] = {"RoutingConfig": {"AdditionalVersionWeights": {}}}
    asked = {"FunctionName": NAME, "Name": "live", "FunctionVersion": version}
    account.function.add_response("update_alias", {}, asked | routing)


def test_the_version_before_serves_again(account: Account) -> None:
    # GIVEN version 10 serves, and 9 was taken away
    describe(account, "UPDATE_COMPLETE")
    serve(account, "10", "2", "8", "10", "11")
    # WHEN it is rolled back THEN the newest older one serves: by number, not by spelling
    expect_update(account, "8")
    assert account.rollback() == "stack: version 8 serves instead of 10"


def test_a_named_version_serves_again(account: Account) -> None:
    describe(account, "UPDATE_COMPLETE")
    serve(account, "10")
    expect_update(account, "2")
    assert account.rollback("2") == "stack: version 2 serves instead of 10"


def test_without_an_older_version_nothing_changes(account: Account) -> None:
    describe(account, "CREATE_COMPLETE")
    serve(account, "1", "1")
    with pytest.raises(RollbackError, match="no version older than 1"):
        account.rollback()


def test_a_deployment_under_way_is_cancelled(account: Account) -> None:
    # GIVEN a canary that CodeDeploy watches
    describe(account, "UPDATE_IN_PROGRESS")
    # WHEN it is rolled back THEN CloudFormation takes it back, and the alias is left to it
    account.stack.add_response("cancel_update_stack", {}, {"StackName": "stack"})
    assert "cancelled" in account.rollback()


def test_the_version_that_serves_is_known(account: Account) -> None:
    describe(account, "UPDATE_COMPLETE")
    serve(account, "10")
    assert account.serving() == "10"


def test_before_the_first_deployment_none_serves(account: Account) -> None:
    message = "Stack with id stack does not exist"
    account.stack.add_client_error("describe_stacks", "ValidationError", message)
    assert account.serving() == ""


def test_after_a_first_deployment_that_failed_none_serves(account: Account) -> None:
    describe(account, "ROLLBACK_COMPLETE", deployed=False)
    assert account.serving() == ""


def test_a_stack_that_may_not_be_seen_is_an_error(account: Account) -> None:
    account.stack.add_client_error("describe_stacks", "AccessDenied", "not authorized")
    with pytest.raises(ClientError, match="not authorized"):
        account.serving()
