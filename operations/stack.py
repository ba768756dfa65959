"""A deployed stack, and the versions that its alias ``live`` sends requests to.

python -m operations.stack text-classifier-prod    # the version that serves, if any does
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import AliasConfigurationResponseTypeDef

ALIAS = "live"


class DeliveryError(Exception):
    """What is asked cannot be done; the message says why."""


@dataclass(frozen=True)
class Stack:
    """What CloudFormation says of a stack."""

    name: str
    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]

    @classmethod
    def find(cls, cloudformation: "CloudFormationClient", name: str) -> Self:
        """The stack of a name; botocore's ClientError if there is none."""
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        return cls(
            name,
            found["StackStatus"],
            {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", [])},
            {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])},
        )

    @classmethod
    def find_deployed(cls, cloudformation: "CloudFormationClient", name: str) -> Self | None:
        """The same; None if it was never deployed to its end, and so has no function."""
        try:
            stack = cls.find(cloudformation, name)
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):  # it has no code
                return None
            raise
        return stack if "Function" in stack.outputs else None

    @property
    def function(self) -> str:
        """The function's name."""
        return self.outputs["Function"]

    @property
    def model_uri(self) -> str:
        """The model that was deployed: what the function's variable is to say."""
        return f"{self.parameters['ModelStore']}/{self.parameters['ModelVersion']}"

    def require_settled(self) -> None:
        """Leave the alias to a deployment that moves it.

        Raises:
            DeliveryError: one is under way.
        """
        if self.status.endswith("_IN_PROGRESS"):
            raise DeliveryError(f"{self.name} is {self.status}: wait for the deployment to end")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the version that serves; returns the exit code."""
    (stack,) = sys.argv[1:] if arguments is None else arguments
    try:
        print(serving(boto3.client("cloudformation"), boto3.client("lambda"), stack))
    except (BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def serving(cloudformation: "CloudFormationClient", lambda_: "LambdaClient", name: str) -> str:
    """The version behind the alias ``live`` of a stack; empty where none was deployed yet."""
    stack = Stack.find_deployed(cloudformation, name)
    if not stack:
        return ""
    return lambda_.get_alias(FunctionName=stack.function, Name=ALIAS)["FunctionVersion"]


def candidate_of(alias: "AliasConfigurationResponseTypeDef") -> tuple[str, float] | None:
    """The version that an alias sends a share of its requests to besides its own, and the share."""
    weights = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    return next(iter(weights.items()), None)


def serve_only(lambda_: "LambdaClient", function: str, version: str, revision: str) -> None:
    """Send all requests to one version, if the alias is still as it was at a revision."""
    lambda_.update_alias(
        FunctionName=function,
        Name=ALIAS,
        FunctionVersion=version,
        RoutingConfig={"AdditionalVersionWeights": {}},
        RevisionId=revision,
    )


if __name__ == "__main__":
    sys.exit(main())
