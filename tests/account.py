"""Stubs of CloudFormation and Lambda, which answer the expected calls and refuse any other."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from types import MappingProxyType
from typing import Any

import boto3
from botocore.response import StreamingBody
from botocore.stub import Stubber
from mypy_boto3_cloudformation import CloudFormationClient
from mypy_boto3_lambda import LambdaClient

from operations.failures import STACK_TYPE, VERSION_TYPE
from operations.stack import Stack

FUNCTION = "stack-Classifier-1"
STORE = "s3://models/news"
DEPLOYED = f"{STORE}/0123456789abcdef"
MODEL = {"ModelStore": STORE, "ModelVersion": "0123456789abcdef"}


@dataclass(frozen=True)
class Account:
    """The clients, and the stubbers that hold their answers."""

    cloudformation: CloudFormationClient
    lambda_: LambdaClient
    stack: Stubber
    function: Stubber

    def describe(
        self,
        status: str = "UPDATE_COMPLETE",
        parameters: Mapping[str, str] = MappingProxyType({}),
        **outputs: str,
    ) -> None:
        """Expect a call that describes the stack; ``Function=""`` leaves that output out."""
        answer: Any = {
            "StackName": "stack",
            "CreationTime": "2026-01-01T00:00:00Z",
            "StackStatus": status,
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in {**MODEL, **parameters}.items()
            ],
            "Outputs": [
                {"OutputKey": name, "OutputValue": value}
                for name, value in {"Function": FUNCTION, **outputs}.items()
                if value
            ],
        }
        self.stack.add_response("describe_stacks", {"Stacks": [answer]}, {"StackName": "stack"})

    def find(self) -> Stack:
        """Return the stack as the next answer describes it."""
        return Stack.find(self.cloudformation, "stack")

    def describe_missing(self) -> None:
        """Expect a call that describes the stack, which does not exist."""
        message = "Stack with id stack does not exist"
        self.stack.add_client_error("describe_stacks", "ValidationError", message)

    def expect_events(
        self, *newest_first: tuple[str, str], more: str = "", after: str = ""
    ) -> None:
        """Expect a call that lists the stack's events: a version or "stack", and its status.

        Args:
            newest_first: The events.
            more: The token of the next page, if there is one.
            after: The token with which this page is asked for.
        """
        identifier = "arn:aws:cloudformation:us-east-1:1:stack/stack/1"
        function = f"arn:aws:lambda:us-east-1:1:function:{FUNCTION}"
        events: Any = [
            {
                "StackId": identifier,
                "EventId": str(number),
                "StackName": "stack",
                "Timestamp": "2026-01-01T00:00:00Z",
                "ResourceType": STACK_TYPE if is_stack else VERSION_TYPE,
                "PhysicalResourceId": identifier if is_stack else f"{function}:{subject}",
                "ResourceStatus": status,
            }
            for number, (subject, status) in enumerate(newest_first)
            for is_stack in [subject == "stack"]
        ]
        answer = {"StackEvents": events} | ({"NextToken": more} if more else {})
        expected = {"StackName": "stack"} | ({"NextToken": after} if after else {})
        self.stack.add_response("describe_stack_events", answer, expected)

    def serve(self, version: str, **weights: float) -> None:
        """Expect a call that reads the alias; ``v11=0.1`` is a candidate's weight."""
        answer = {
            "FunctionVersion": version,
            "RevisionId": "before",
            "RoutingConfig": _routing(weights),
        }
        self.function.add_response("get_alias", answer, {"FunctionName": FUNCTION, "Name": "live"})

    def has_model(self, version: str, uri: str = DEPLOYED) -> None:
        """Expect a call that reads the configuration of a version, with this model."""
        answer: Any = {
            "FunctionName": FUNCTION,
            "Version": version,
            "Environment": {"Variables": {"MODEL_URI": uri}},
        }
        expected = {"FunctionName": FUNCTION, "Qualifier": version}
        self.function.add_response("get_function_configuration", answer, expected)

    def list_versions(self, descriptions: Mapping[str, str] = MappingProxyType({})) -> None:
        """Expect a call that lists the versions; each has a description."""
        listed: Any = [
            {"Version": version, "Description": description}
            for version, description in {"$LATEST": "", **descriptions}.items()
        ]
        expected = {"FunctionName": FUNCTION}
        self.function.add_response("list_versions_by_function", {"Versions": listed}, expected)

    def answer_warmer(self, version: str, body: bytes = b'{"status": "ok"}') -> None:
        """Expect a call of a version before it gets requests, which it answers."""
        expected = {
            "FunctionName": FUNCTION,
            "Qualifier": version,
            "Payload": b'{"warmer": true}',
        }
        answer = {"StatusCode": 200, "Payload": StreamingBody(BytesIO(body), len(body))}
        self.function.add_response("invoke", answer, expected)

    def expect_alias(self, version: str | None, **weights: float) -> None:
        """Expect a call that moves the alias, provided that it is still where it was."""
        expected: Any = {
            "FunctionName": FUNCTION,
            "Name": "live",
            "RoutingConfig": _routing(weights),
            "RevisionId": "before",
        }
        if version:
            expected["FunctionVersion"] = version
        self.function.add_response("update_alias", {}, expected)


@contextmanager
def stubbed() -> Iterator[Account]:
    """Make an account for one test; fails unless every expected call was made."""
    cloudformation, lambda_ = _clients()
    with Stubber(cloudformation) as stack, Stubber(lambda_) as function:
        yield Account(cloudformation, lambda_, stack, function)
        stack.assert_no_pending_responses()
        function.assert_no_pending_responses()


@cache
def _clients() -> tuple[CloudFormationClient, LambdaClient]:
    session = boto3.Session("test", "test", region_name="us-east-1")
    return session.client("cloudformation"), session.client("lambda")


def _routing(weights: dict[str, float]) -> Any:
    return {"AdditionalVersionWeights": {name[1:]: weight for name, weight in weights.items()}}
