"""Delete old versions of a function, whose snapshots (SnapStart) are paid for."""

import itertools
from typing import TYPE_CHECKING

from operations.candidate import is_candidate
from operations.failures import find_failed_versions
from operations.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import FunctionConfigurationTypeDef

LATEST = "$LATEST"


def has_snapshots(lambda_: "LambdaClient", stack: Stack) -> bool:
    """Tell whether any version has a snapshot: the last ones do after SnapStart is off again."""
    return any(
        version.get("SnapStart", {}).get("ApplyOn") == "PublishedVersions"
        for version in list_versions(lambda_, stack.function)
    )


def prune_versions(
    cloudformation: "CloudFormationClient", lambda_: "LambdaClient", stack: Stack, keep: int
) -> list[str]:
    """Delete all versions but the newest ones and those that serve or that the stack deployed.

    Versions whose deployment failed and candidates of the past are deleted as well: no rollback
    needs them.

    Args:
        cloudformation: The client; it reads which deployments failed.
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
    used = _find_served(lambda_, stack.function)
    if "Version" in stack.outputs:  # CloudFormation points the alias there if an update fails
        used.add(stack.outputs["Version"])
    failed = find_failed_versions(cloudformation, stack) - used
    candidates = {each["Version"] for each in versions if is_candidate(each.get("Description", ""))}
    worth = [str(number) for number in numbers if str(number) not in failed | candidates]
    newest = {str(number) for number in numbers[-1:]}  # a candidate that may be about to answer
    kept = {*worth[-keep:], *used, *(newest & candidates)}
    deleted = [str(number) for number in numbers if str(number) not in kept]
    for version in deleted:
        lambda_.delete_function(FunctionName=stack.function, Qualifier=version)
    return deleted


def list_versions(lambda_: "LambdaClient", function: str) -> list["FunctionConfigurationTypeDef"]:
    """List the versions of a function, the unpublished one included."""
    pages = lambda_.get_paginator("list_versions_by_function").paginate(FunctionName=function)
    return list(itertools.chain.from_iterable(page["Versions"] for page in pages))


def read_newest_revision(lambda_: "LambdaClient", function: str) -> str:
    """Return the stack's Revision in the description of the newest version, with which it ends.

    Lambda does not publish a version identical to the newest one, which CloudFormation treats as a
    failure. So a failed deployment can be repeated only with another Revision.
    """
    published = [each for each in list_versions(lambda_, function) if each["Version"] != LATEST]
    newest = max(published, key=lambda version: int(version["Version"]), default=None)
    return newest.get("Description", "").rpartition(" ")[2] if newest else ""


def _find_served(lambda_: "LambdaClient", function: str) -> set[str]:
    """Return the versions that aliases point to, candidates included."""
    pages = lambda_.get_paginator("list_aliases").paginate(FunctionName=function)
    served = set()
    for alias in itertools.chain.from_iterable(page["Aliases"] for page in pages):
        served.add(alias["FunctionVersion"])
        served.update(alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}))
    return served
