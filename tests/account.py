"""A CloudFormation and a Lambda that answer what they are told to and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.stub import Stubber
from mypy_boto3_cloudformation import CloudFormationClient
from mypy_boto3_lambda import LambdaClient

FUNCTION = "stack-Classifier-1"
STORE = "s3://models/news"
DEPLOYED = f"{STORE}/0123456789abcdef"


@dataclass(frozen=True)
class Account:
    """The clients, and what they are told to answer."""

    cloudformation: CloudFormationClient
    lambda_: LambdaClient
    stack: Stubber
    function: Stubber

    def describe(self, status: str = "UPDATE_COMPLETE", **outputs: str) -> None:
        """Expect to be asked for the stack; ``Function=""`` is one that has none yet."""
        answer: Any = {
            "StackName": "stack",
            "CreationTime": "2026-01-01T00:00:00Z",
            "StackStatus": status,
            "Parameters": [
                {"ParameterKey": "ModelStore", "ParameterValue": STORE},
                {"ParameterKey": "ModelVersion", "ParameterValue": "0123456789abcdef"},
            ],
            "Outputs": [
                {"OutputKey": name, "OutputValue": value}
                for name, value in {"Function": FUNCTION, **outputs}.items()
                if value
            ],
        }
        self.stack.add_response("describe_stacks", {"Stacks": [answer]}, {"StackName": "stack"})

    def be_missing(self) -> None:
        """Expect to be asked for the stack before its first deployment."""
        message = "Stack with id stack does not exist"
        self.stack.add_client_error("describe_stacks", "ValidationError", message)

    def serve(self, version: str, **weights: float) -> None:
        """Expect to be asked for the alias; ``v11=0.1`` is a candidate's weight."""
        routing: Any = {"AdditionalVersionWeights": {k[1:]: v for k, v in weights.items()}}
        answer = {"FunctionVersion": version, "RevisionId": "before", "RoutingConfig": routing}
        self.function.add_response("get_alias", answer, {"FunctionName": FUNCTION, "Name": "live"})

    def expect_alias(self, version: str | None, **weights: float) -> None:
        """Expect the alias to be moved, if it is still as it was."""
        asked: Any = {
            "FunctionName": FUNCTION,
            "Name": "live",
            "RoutingConfig": {"AdditionalVersionWeights": {k[1:]: v for k, v in weights.items()}},
            "RevisionId": "before",
        }
        if version:
            asked["FunctionVersion"] = version
        self.function.add_response("update_alias", {}, asked)


@contextmanager
def stubbed() -> Iterator[Account]:
    """An account for one test, which must have been asked all that was expected."""
    session = boto3.Session("test", "test", region_name="us-east-1")
    cloudformation, lambda_ = session.client("cloudformation"), session.client("lambda")
    with Stubber(cloudformation) as stack, Stubber(lambda_) as function:
        yield Account(cloudformation, lambda_, stack, function)
        stack.assert_no_pending_responses()
        function.assert_no_pending_responses()
