"""Let an earlier version serve again."""

from typing import TYPE_CHECKING

from operations.alias import LiveAlias
from operations.candidate import DESCRIPTION, remove_share
from operations.stack import Stack, StackError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient


def roll_back(
    cloudformation: "CloudFormationClient",
    lambda_: "LambdaClient",
    stack: Stack,
    version: str | None = None,
) -> str:
    """Undo the last change to a stack, or serve a chosen version.

    The last change is a deployment in progress, else a candidate, else the deployed version.

    Args:
        cloudformation: The client; it cancels a deployment.
        lambda_: The client.
        stack: The stack.
        version: The version to serve; by default, the previous one.

    Returns:
        A sentence that says what changed.

    Raises:
        StackError: There is no previous version.
    """
    if stack.status == "UPDATE_IN_PROGRESS":
        cloudformation.cancel_update_stack(StackName=stack.name)
        return f"{stack.name}: the deployment in progress is cancelled and rolled back"
    alias = LiveAlias.read(lambda_, stack.function)
    if alias.candidate and not version:
        return remove_share(lambda_, alias, stack.name)
    target = version or _find_previous(lambda_, alias)
    alias.send_all_to(lambda_, target)
    return f"{stack.name}: version {target} serves instead of {alias.version}"


def _find_previous(lambda_: "LambdaClient", alias: LiveAlias) -> str:
    """Find the newest version that was deployed, not just a candidate, before the current one."""
    pages = lambda_.get_paginator("list_versions_by_function").paginate(FunctionName=alias.function)
    versions = [version for page in pages for version in page["Versions"]]
    older = [
        int(version["Version"])
        for version in versions
        if version["Version"].isdecimal()  # not $LATEST
        and int(version["Version"]) < int(alias.version)
        and not version.get("Description", "").startswith(f"{DESCRIPTION} ")
    ]
    if not older:
        raise StackError(f"{alias.function} has no version older than {alias.version}")
    return str(max(older))
