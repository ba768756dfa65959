from collections.abc import Collection
from typing import Any

import pytest

from operations.stack import StackError
from operations.versions import has_snapshots, prune_versions
from tests.account import FUNCTION, STORE, Account


def has_versions(
    account: Account, *numbers: int, served: dict[str, Any], candidates: Collection[int] = ()
) -> None:
    """Expect calls that list versions, on two pages, and the alias."""
    versions: list[Any] = [{"Version": "$LATEST"}]
    for number in numbers:
        description = f"candidate {STORE}/{number}" if number in candidates else f"{STORE} {number}"
        versions.append({"Version": str(number), "Description": description})
    first = {"Versions": versions[:2], "NextMarker": "more"}
    account.function.add_response("list_versions_by_function", first, {"FunctionName": FUNCTION})
    account.function.add_response(
        "list_versions_by_function",
        {"Versions": versions[2:]},
        {"FunctionName": FUNCTION, "Marker": "more"},
    )
    account.function.add_response(
        "list_aliases", {"Aliases": [{"Name": "live", **served}]}, {"FunctionName": FUNCTION}
    )


def prune(account: Account, keep: int) -> list[str]:
    return prune_versions(account.cloudformation, account.lambda_, account.find(), keep)


def expect_deletions(account: Account, *versions: str) -> None:
    for version in versions:
        expected = {"FunctionName": FUNCTION, "Qualifier": version}
        account.function.add_response("delete_function", {}, expected)


def test_the_newest_versions_are_kept(account: Account) -> None:
    # GIVEN five versions, whose numbers are not sorted as texts are
    account.describe()
    has_versions(account, 7, 8, 9, 10, 11, served={"FunctionVersion": "11"})
    account.expect_events()
    # THEN the oldest are deleted
    expect_deletions(account, "7", "8")
    assert prune(account, keep=3) == ["7", "8"]


def test_versions_that_serve_are_kept_however_old(account: Account) -> None:
    # GIVEN an alias on an old version, with an old candidate
    account.describe()
    served = {
        "FunctionVersion": "2",
        "RoutingConfig": {"AdditionalVersionWeights": {"3": 0.1}},
    }
    has_versions(account, 1, 2, 3, 4, 5, served=served)
    account.expect_events()
    expect_deletions(account, "1", "4")
    assert prune(account, keep=1) == ["1", "4"]


def test_the_version_that_the_stack_deployed_is_kept(account: Account) -> None:
    # GIVEN a rollback to version 2 that was not finished: CloudFormation may yet need version 4
    account.describe(Version="4")
    has_versions(account, 1, 2, 3, 4, 5, served={"FunctionVersion": "2"})
    account.expect_events()
    expect_deletions(account, "1", "3")
    assert prune(account, keep=1) == ["1", "3"]


def test_versions_whose_deployment_failed_are_not_kept_for_a_rollback(account: Account) -> None:
    # GIVEN two deployments that failed between the versions that served
    account.describe()
    has_versions(account, 7, 8, 9, 10, served={"FunctionVersion": "10"})
    account.expect_events(
        ("stack", "UPDATE_ROLLBACK_COMPLETE"),
        ("stack", "UPDATE_ROLLBACK_IN_PROGRESS"),
        ("9", "CREATE_COMPLETE"),
        ("stack", "UPDATE_IN_PROGRESS"),
        ("stack", "UPDATE_ROLLBACK_IN_PROGRESS"),
        ("8", "CREATE_COMPLETE"),
        ("stack", "UPDATE_IN_PROGRESS"),
    )
    # WHEN two versions are to be kept THEN they are the one that serves and the one before
    expect_deletions(account, "8", "9")
    assert prune(account, keep=2) == ["8", "9"]


def test_candidates_take_no_place_of_a_version_to_roll_back_to(account: Account) -> None:
    # GIVEN two candidates before version 13, which is the second of them, promoted
    account.describe()
    has_versions(
        account, 8, 9, 10, 11, 12, 13, served={"FunctionVersion": "13"}, candidates=(11, 12)
    )
    account.expect_events()
    # WHEN three versions are to be kept THEN they are three that were deployed
    expect_deletions(account, "8", "11", "12")
    assert prune(account, keep=3) == ["8", "11", "12"]


@pytest.mark.parametrize(
    "served",
    [
        {"FunctionVersion": "10", "RoutingConfig": {"AdditionalVersionWeights": {"11": 0.1}}},
        {"FunctionVersion": "11"},  # after `textclf rollback STACK 11`
    ],
)
def test_a_candidate_that_answers_is_kept(account: Account, served: dict[str, Any]) -> None:
    # GIVEN candidate 11, which answers requests, between deployed versions
    account.describe()
    has_versions(account, 9, 10, 11, 12, served=served, candidates=(11,))
    account.expect_events()
    expect_deletions(account, "9")
    assert prune(account, keep=2) == ["9"]


def test_a_candidate_that_was_just_published_is_kept(account: Account) -> None:
    # GIVEN a candidate that does not have its share yet
    account.describe()
    has_versions(account, 9, 10, 11, served={"FunctionVersion": "10"}, candidates=(11,))
    account.expect_events()
    expect_deletions(account, "9")
    assert prune(account, keep=1) == ["9"]


def test_few_versions_are_all_kept(account: Account) -> None:
    account.describe()
    has_versions(account, 1, 2, served={"FunctionVersion": "2"})
    account.expect_events()
    assert prune(account, keep=3) == []


def test_nothing_is_deleted_during_a_deployment(account: Account) -> None:
    account.describe("UPDATE_IN_PROGRESS")
    with pytest.raises(StackError, match="wait for the deployment"):
        prune(account, keep=3)


@pytest.mark.parametrize(
    ("older", "newer", "expected"),
    [
        ("PublishedVersions", "PublishedVersions", True),
        ("PublishedVersions", "None", True),  # switched off, but the older one is still paid for
        ("None", "None", False),
    ],
)
def test_versions_have_snapshots_if_they_were_published_with_snapstart(
    account: Account, older: str, newer: str, *, expected: bool
) -> None:
    account.describe()
    versions: Any = [
        {"Version": "1", "SnapStart": {"ApplyOn": older}},
        {"Version": "2", "SnapStart": {"ApplyOn": newer}},
        {"Version": "$LATEST"},
    ]
    account.function.add_response(
        "list_versions_by_function", {"Versions": versions}, {"FunctionName": FUNCTION}
    )
    assert has_snapshots(account.lambda_, account.find()) is expected
