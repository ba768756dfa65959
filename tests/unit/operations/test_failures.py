import pytest

from operations.failures import find_failed_versions
from tests.account import Account


def find(account: Account, *newest_first: tuple[str, str]) -> set[str]:
    account.describe()
    account.expect_events(*newest_first)
    return find_failed_versions(account.cloudformation, account.find())


def test_versions_of_deployments_that_succeeded_did_not_fail(account: Account) -> None:
    assert not find(
        account,
        ("stack", "UPDATE_COMPLETE"),
        ("1", "DELETE_SKIPPED"),  # SAM keeps the version before
        ("stack", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("2", "CREATE_COMPLETE"),
        ("stack", "UPDATE_IN_PROGRESS"),
        ("stack", "CREATE_COMPLETE"),
        ("1", "CREATE_COMPLETE"),
        ("stack", "CREATE_IN_PROGRESS"),
    )


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "CREATE_FAILED"])
def test_a_version_failed_if_its_deployment_was_rolled_back(account: Account, status: str) -> None:
    # GIVEN a deployment that was rolled back after it had published version 3, then two more
    failed = find(
        account,
        ("stack", "UPDATE_ROLLBACK_COMPLETE"),
        ("stack", "UPDATE_ROLLBACK_IN_PROGRESS"),
        ("stack", "UPDATE_IN_PROGRESS"),  # it published nothing
        ("stack", "UPDATE_COMPLETE"),
        ("4", "CREATE_COMPLETE"),
        ("stack", "UPDATE_IN_PROGRESS"),
        ("stack", "UPDATE_ROLLBACK_IN_PROGRESS"),
        ("3", status),
        ("stack", "UPDATE_IN_PROGRESS"),
        ("stack", "UPDATE_COMPLETE"),
        ("2", "CREATE_COMPLETE"),
        ("stack", "UPDATE_IN_PROGRESS"),
    )
    # THEN version 3 alone failed
    assert failed == {"3"}


def test_a_version_of_which_another_deployment_succeeded_did_not_fail(account: Account) -> None:
    # GIVEN version 2, which a failed deployment published; the next one got the same version, and
    # the one after that could not publish it again
    assert not find(
        account,
        ("stack", "UPDATE_ROLLBACK_IN_PROGRESS"),
        ("2", "CREATE_FAILED"),
        ("stack", "UPDATE_IN_PROGRESS"),
        ("stack", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("2", "CREATE_COMPLETE"),
        ("stack", "UPDATE_IN_PROGRESS"),
        ("stack", "UPDATE_ROLLBACK_IN_PROGRESS"),
        ("2", "CREATE_COMPLETE"),
        ("stack", "UPDATE_IN_PROGRESS"),
    )


def test_versions_of_other_functions_and_nested_stacks_say_nothing(account: Account) -> None:
    # GIVEN a deployment that published another function's version, and a nested stack that failed
    account.describe()
    stack, other = (
        "arn:aws:cloudformation:us-east-1:1:stack/stack/1",
        "arn:aws:lambda:1:1:function:f",
    )
    kinds = [
        ("AWS::CloudFormation::Stack", stack, "UPDATE_ROLLBACK_IN_PROGRESS"),
        ("AWS::Lambda::Version", f"{other}:7", "CREATE_COMPLETE"),
        ("AWS::CloudFormation::Stack", stack, "UPDATE_IN_PROGRESS"),
        ("AWS::CloudFormation::Stack", f"{stack}/nested", "UPDATE_ROLLBACK_IN_PROGRESS"),
    ]
    events = [
        {
            "StackId": stack,
            "EventId": status,
            "StackName": "stack",
            "Timestamp": "2026-01-01T00:00:00Z",
            "ResourceType": kind,
            "PhysicalResourceId": physical,
            "ResourceStatus": status,
        }
        for kind, physical, status in kinds
    ]
    account.stack.add_response("describe_stack_events", {"StackEvents": events})
    # THEN no version of the classifier failed
    assert not find_failed_versions(account.cloudformation, account.find())


def test_all_pages_of_the_events_are_read(account: Account) -> None:
    # GIVEN a failed deployment that begins on the second page
    account.describe()
    account.expect_events(("stack", "UPDATE_ROLLBACK_IN_PROGRESS"), more="next")
    account.expect_events(("3", "CREATE_COMPLETE"), after="next")
    assert find_failed_versions(account.cloudformation, account.find()) == {"3"}
