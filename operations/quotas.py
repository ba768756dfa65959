"""Check an account's quotas before anything is started that would exceed them.

A new account may have 10 concurrent executions in Lambda and no instance with a GPU in SageMaker.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
https://docs.aws.amazon.com/general/latest/gr/sagemaker.html#limits_sagemaker
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.errors import TextClassifierError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

CONCURRENCY = "Concurrent executions (L-B99A9384)"
# Lambda keeps this many for functions without a reservation.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
UNRESERVED = 100
DEFAULTS = {"ReservedConcurrency": -1, "ProvisionedConcurrency": 0, "BulkConcurrency": 100}


class QuotaError(TextClassifierError):
    """The account allows too little; the message names the quota."""


@dataclass(frozen=True)
class Reservations:
    """What a stack's functions reserve of the account's concurrency."""

    classifier: int  # none if negative
    provisioned: int
    bulk: int

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> "Reservations":
        """Read them from the parameters of a stack."""
        reserved, provisioned, bulk = (
            int(parameters.get(name) or default) for name, default in DEFAULTS.items()
        )
        return cls(reserved, provisioned, bulk if parameters.get("BulkBucket") else 0)

    @property
    def total(self) -> int:
        """How many executions are kept from other functions."""
        return (self.classifier if self.classifier >= 0 else self.provisioned) + self.bulk


def require_concurrency(
    lambda_: "LambdaClient", before: Mapping[str, str], after: Mapping[str, str]
) -> None:
    """Refuse reservations that leave other functions less concurrency than Lambda insists on.

    Args:
        lambda_: The client.
        before: The stack's parameters; none before its first deployment.
        after: Its parameters after the deployment.

    Raises:
        QuotaError: The quota is too small.
    """
    held = Reservations.of(before).total if before else 0
    wanted = Reservations.of(after).total
    if wanted <= held:
        return
    limits = lambda_.get_account_settings()["AccountLimit"]
    free = limits["UnreservedConcurrentExecutions"] + held
    if free - wanted >= UNRESERVED:
        return
    raise QuotaError(
        f"the stack reserves {wanted} concurrent executions, but Lambda can spare "
        f"{max(0, free - UNRESERVED)}: the account has {limits['ConcurrentExecutions']}, and "
        f"{UNRESERVED} stay for functions without a reservation. Lower ReservedConcurrency, "
        "ProvisionedConcurrency or BulkConcurrency, or ask for more under Service Quotas, "
        f"AWS Lambda, {CONCURRENCY}"
    )
