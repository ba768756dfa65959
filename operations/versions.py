"""Delete old versions of a function, whose snapshots (SnapStart) are paid for."""

import itertools
from typing import TYPE_CHECKING

from operations.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import FunctionConfigurationTypeDef

LATEST = "$LATEST"


def has_snapshots(lambda_: "LambdaClient", stack: Stack) -> bool:
    """Tell whether any version has a snapshot: the last ones do after SnapStart is off again."""
    return any(
        version.get("SnapStart", {}).get("ApplyOn") == "PublishedVersions"
        for version in list_versions(lambda_, stack.function)
    )


def prune_versions(lambda_: "LambdaClient", stack: Stack, keep: int) -> list[str]:
    """Delete all versions but the newest ones and those that an alias points to.

    Args:
        lambda_: The client.
        stack: The stack, which no deployment may be changing.
        keep: How many to keep, for rollbacks.

    Returns:
        The versions that were deleted, oldest first.

    Raises:
        StackError: A deployment is in progress.
    """
    stack.require_settled()
    versions = list_versions(lambda_, stack.function)
    numbers = sorted(int(each["Version"]) for each in versions if each["Version"] != LATEST)
    served = _find_served(lambda_, stack.function)
    old = [str(number) for number in numbers[: max(0, len(numbers) - keep)]]
    deleted = [version for version in old if version not in served]
    for version in deleted:
        lambda_.delete_function(FunctionName=stack.function, Qualifier=version)
    return deleted


def list_versions(lambda_: "LambdaClient", function: str) -> list["FunctionConfigurationTypeDef"]:
    """List the versions of a function, the unpublished one included."""
    pages = lambda_.get_paginator("list_versions_by_function").paginate(FunctionName=function)
    return list(itertools.chain.from_iterable(page["Versions"] for page in pages))


def _find_served(lambda_: "LambdaClient", function: str) -> set[str]:
    """Return the versions that aliases point to, candidates included."""
    pages = lambda_.get_paginator("list_aliases").paginate(FunctionName=function)
    served = set()
    for alias in itertools.chain.from_iterable(page["Aliases"] for page in pages):
        served.add(alias["FunctionVersion"])
        served.update(alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}))
    return served
