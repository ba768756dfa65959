"""What a stack says of itself.

python -m delivery.stack text-classifier-prod    # the version that serves, if any does
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient

ALIAS = "live"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the version; returns the exit code."""
    (stack,) = sys.argv[1:] if arguments is None else arguments
    try:
        print(serving(boto3.client("cloudformation"), boto3.client("lambda"), stack))
    except (BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


@dataclass(frozen=True)
class Stack:
    """A stack's status, and its outputs by name."""

    status: str
    outputs: dict[str, str]


def find(cloudformation: "CloudFormationClient", name: str) -> Stack:
    """The stack of this name.

    Raises:
        ClientError: there is none, or it may not be seen.
    """
    found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}
    return Stack(found["StackStatus"], outputs)


def serving(cloudformation: "CloudFormationClient", lambda_: "LambdaClient", name: str) -> str:
    """The version behind the alias ``live`` of a stack; empty where none was deployed yet."""
    try:
        outputs = find(cloudformation, name).outputs
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):  # it has no code
            return ""
        raise
    if "Function" not in outputs:  # the first deployment is under way, or failed
        return ""
    return lambda_.get_alias(FunctionName=outputs["Function"], Name=ALIAS)["FunctionVersion"]


if __name__ == "__main__":
    sys.exit(main())
