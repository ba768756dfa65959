"""A deployed stack, and the versions that its alias ``live`` sends requests to."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

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
