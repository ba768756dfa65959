"""Find the versions whose deployment failed, which are left behind and must not serve.

SAM keeps every version that a stack published, including those that a rollback withdrew. The events
of the stack say what became of a deployment, whether or not CodeDeploy rolled it back. CodeDeploy's
own records would miss some: they are deleted with its application, by ``ShiftTraffic=false``.
Nothing is known about a deployment whose events CloudFormation no longer keeps.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
"""

import itertools
from typing import TYPE_CHECKING

from operations.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef

STACK_TYPE, VERSION_TYPE = "AWS::CloudFormation::Stack", "AWS::Lambda::Version"
BEGINS = {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"}
FAILS = {"ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"}
SUCCEEDS = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"}


def find_failed_versions(cloudformation: "CloudFormationClient", stack: Stack) -> set[str]:
    """Return the versions that a deployment published before it was rolled back.

    A version that another deployment published successfully is left out.

    Args:
        cloudformation: The client; it reads the events of the stack.
        stack: The stack.
    """
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack.name)
    newest_first = itertools.chain.from_iterable(page["StackEvents"] for page in pages)
    failed: set[str] = set()
    succeeded: set[str] = set()
    published: set[str] = set()  # in the deployment that the events are about
    for event in reversed(list(newest_first)):
        status = event.get("ResourceStatus", "")
        if version := _find_version(event, stack.function):
            published.add(version)
        elif _is_about_the_stack(event):
            if status in FAILS:
                failed |= published
            elif status in SUCCEEDS:
                succeeded |= published
            if status in BEGINS | FAILS | SUCCEEDS:
                published = set()
    return failed - succeeded  # the same content keeps its number, and may work another time


def _is_about_the_stack(event: "StackEventTypeDef") -> bool:
    return (
        event.get("ResourceType") == STACK_TYPE
        and event.get("PhysicalResourceId") == event["StackId"]  # and not about a nested stack
    )


def _find_version(event: "StackEventTypeDef", function: str) -> str | None:
    """Return the version of the function that was published, if the event is about that."""
    name, _, version = event.get("PhysicalResourceId", "").rpartition(":")
    is_published = (
        event.get("ResourceType") == VERSION_TYPE
        and event.get("ResourceStatus", "").startswith("CREATE_")
        and name.endswith(f":function:{function}")
    )
    return version if is_published else None
