"""Read and move the alias ``live``, which decides which version answers a request."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from inference.aws import LIVE, read_model_of

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


@dataclass(frozen=True)
class LiveAlias:
    """Where the alias sent requests when it was read.

    Updates name the revision that was read, so Lambda refuses them if the alias has been moved in
    the meantime.
    """

    function: str
    version: str
    candidate: str | None  # the version that answers a share of the requests
    revision: str

    @classmethod
    def read(cls, lambda_: "LambdaClient", function: str) -> Self:
        """Read the alias of a function."""
        answer = lambda_.get_alias(FunctionName=function, Name=LIVE)
        weights = answer.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        candidate = next(iter(weights), None)  # Lambda allows only one
        return cls(function, answer["FunctionVersion"], candidate, answer["RevisionId"])

    def read_model(self, lambda_: "LambdaClient") -> str:
        """Return the URI of the model that serves."""
        return read_model_of(lambda_, self.function, self.version)

    def read_models(self, lambda_: "LambdaClient") -> list[str]:
        """Return the URI of the model that serves, then that of the candidate if there is one."""
        versions = [self.version, *([self.candidate] if self.candidate else [])]
        return [read_model_of(lambda_, self.function, version) for version in versions]

    def read_image(self, lambda_: "LambdaClient") -> str:
        """Return the image of the version that serves, as REPOSITORY@DIGEST."""
        found = lambda_.get_function(FunctionName=self.function, Qualifier=self.version)
        return found["Code"].get("ResolvedImageUri", "")

    def send_all_to(self, lambda_: "LambdaClient", version: str) -> None:
        """Send every request to one version."""
        lambda_.update_alias(
            FunctionName=self.function,
            Name=LIVE,
            FunctionVersion=version,
            RoutingConfig={"AdditionalVersionWeights": {}},
            RevisionId=self.revision,
        )

    def send_share_to(self, lambda_: "LambdaClient", version: str, percent: int) -> None:
        """Send a share of the requests to a second version."""
        lambda_.update_alias(
            FunctionName=self.function,
            Name=LIVE,
            RoutingConfig={"AdditionalVersionWeights": {version: percent / 100}},
            RevisionId=self.revision,
        )
