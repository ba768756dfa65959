"""Let the alias ``live`` of a deployed stack serve an earlier version again.

    python -m operations.rollback text-classifier-prod      # the version before
    python -m operations.rollback text-classifier-prod 7    # this one

A deployment that is under way is cancelled instead, which takes it back by itself. A candidate
that answers a share of the requests (see operations.candidate) loses it, and that is all.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from operations.candidate import DESCRIPTION
from operations.stack import ALIAS, DeliveryError, Stack, candidate_of, serve_only

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient


def main(arguments: Sequence[str] | None = None) -> int:
    """Roll back; returns the exit code."""
    stack, *version = sys.argv[1:] if arguments is None else arguments
    try:
        print(rollback(boto3.client("cloudformation"), boto3.client("lambda"), stack, *version))
    except (DeliveryError, BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def rollback(
    cloudformation: "CloudFormationClient", lambda_: "LambdaClient", stack: str, version: str = ""
) -> str:
    """Go back to a version, by default the one before; says what was done.

    Raises:
        DeliveryError: there is no such version.
    """
    found = Stack.find(cloudformation, stack)
    if found.status == "UPDATE_IN_PROGRESS":
        cloudformation.cancel_update_stack(StackName=stack)
        return f"{stack}: the deployment under way is cancelled and taken back"
    alias = lambda_.get_alias(FunctionName=found.function, Name=ALIAS)
    current, candidate = alias["FunctionVersion"], candidate_of(alias)
    if candidate and not version:
        serve_only(lambda_, found.function, current, alias["RevisionId"])
        return f"{stack}: version {current} answers all requests, candidate {candidate[0]} none"
    target = version or _before(lambda_, found.function, int(current))
    serve_only(lambda_, found.function, target, alias["RevisionId"])
    return f"{stack}: version {target} serves instead of {current}"


def _before(lambda_: "LambdaClient", function: str, current: int) -> str:
    """The newest version older than the current one that was deployed, not tried."""
    pages = lambda_.get_paginator("list_versions_by_function").paginate(FunctionName=function)
    numbers = [
        one["Version"]
        for page in pages
        for one in page["Versions"]
        if not one.get("Description", "").startswith(f"{DESCRIPTION} ")
    ]
    older = [int(number) for number in numbers if number.isdecimal() and int(number) < current]
    if not older:
        raise DeliveryError(f"{function} has no version older than {current}")
    return str(max(older))


if __name__ == "__main__":
    sys.exit(main())
