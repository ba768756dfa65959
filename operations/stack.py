"""Describe a deployed stack."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from inference.errors import TextClassifierError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


class StackError(TextClassifierError):
    """The stack does not allow the operation; the message says why."""


class MissingStackError(StackError):
    """There is no stack of that name."""


@dataclass(frozen=True)
class Stack:
    """A stack as CloudFormation describes it."""

    name: str
    status: str
    parameters: dict[str, str]
    outputs: dict[str, str]

    @classmethod
    def find(cls, cloudformation: "CloudFormationClient", name: str) -> Self:
        """Describe a stack.

        Raises:
            MissingStackError: No stack has that name.
        """
        try:
            (description,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except cloudformation.exceptions.ClientError as error:
            # A missing stack has no error code of its own: it is one ValidationError of many.
            if "does not exist" not in error.response["Error"].get("Message", ""):
                raise
            region = cloudformation.meta.region_name
            raise MissingStackError(
                f"{name} does not exist in {region}: check the name, the region and the account"
            ) from error
        parameters = description.get("Parameters", [])
        outputs = description.get("Outputs", [])
        return cls(
            name,
            description["StackStatus"],
            {each["ParameterKey"]: each["ParameterValue"] for each in parameters},
            {each["OutputKey"]: each["OutputValue"] for each in outputs},
        )

    @classmethod
    def find_deployed(cls, cloudformation: "CloudFormationClient", name: str) -> Self | None:
        """Describe a stack, or return None until its first deployment has succeeded."""
        try:
            stack = cls.find(cloudformation, name)
        except MissingStackError:
            return None
        return stack if "Function" in stack.outputs else None

    @property
    def function(self) -> str:
        """The name of the function that classifies."""
        return self.outputs["Function"]

    @property
    def model_uri(self) -> str:
        """The model that was deployed last, which after a rollback is not the one that serves."""
        return f"{self.parameters['ModelStore']}/{self.parameters['ModelVersion']}"

    def require_output(self, name: str, problem: str) -> str:
        """Return an output that only some stacks have.

        Args:
            name: The output.
            problem: Completes the error message, as in "has no API: deploy it first".

        Raises:
            StackError: The stack does not have the output.
        """
        if name not in self.outputs:
            raise StackError(f"{self.name} {problem}")
        return self.outputs[name]

    def require_settled(self) -> None:
        """Refuse to interfere with a deployment.

        Raises:
            StackError: A deployment is in progress.
        """
        if self.status.endswith("_IN_PROGRESS"):
            raise StackError(f"{self.name} is {self.status}: wait for the deployment to end")
