import pytest

from operations.rollback import roll_back
from operations.stack import StackError
from tests.account import FUNCTION, Account


def go_back(account: Account, *version: str) -> str:
    return roll_back(account.cloudformation, account.lambda_, account.find(), *version)


def list_versions(account: Account, *versions: str, candidates: tuple[str, ...] = ()) -> None:
    """Expect a call that lists the versions."""
    listed = [
        {
            "Version": version,
            "Description": "candidate s3://..." if version in candidates else "s3://...",
        }
        for version in ("$LATEST", *versions)
    ]
    account.function.add_response(
        "list_versions_by_function", {"Versions": listed}, {"FunctionName": FUNCTION}
    )


def test_the_previous_version_serves_again(account: Account) -> None:
    # GIVEN version 10 serves, and version 9 was deleted
    account.describe()
    account.serve("10")
    list_versions(account, "2", "8", "10", "11")
    # WHEN it is rolled back THEN the newest older version serves, by number and not by spelling
    account.expect_alias("8")
    assert go_back(account) == "stack: version 8 serves instead of 10"


def test_a_candidate_loses_its_share_and_the_deployed_version_stays(account: Account) -> None:
    # GIVEN version 10 serves together with a candidate
    account.describe()
    account.serve("10", v11=0.1)
    # WHEN it is rolled back THEN version 10 answers all requests
    account.expect_alias("10")
    assert go_back(account) == "stack: version 10 answers all requests, candidate 11 none"


def test_a_rollback_skips_versions_that_were_only_candidates(account: Account) -> None:
    # GIVEN a candidate that was given up before version 10 was deployed
    account.describe()
    account.serve("10")
    list_versions(account, "8", "9", "10", candidates=("9",))
    # WHEN it is rolled back THEN the deployed version before it serves
    account.expect_alias("8")
    assert go_back(account) == "stack: version 8 serves instead of 10"


def test_a_chosen_version_serves_even_if_there_is_a_candidate(account: Account) -> None:
    account.describe()
    account.serve("10", v11=0.1)
    account.expect_alias("2")
    assert go_back(account, "2") == "stack: version 2 serves instead of 10"


def test_nothing_changes_without_an_older_version(account: Account) -> None:
    account.describe("CREATE_COMPLETE")
    account.serve("1")
    list_versions(account, "1")
    with pytest.raises(StackError, match="no version older than 1"):
        go_back(account)


def test_a_deployment_in_progress_is_cancelled(account: Account) -> None:
    # GIVEN a canary that CodeDeploy watches
    account.describe("UPDATE_IN_PROGRESS")
    # WHEN it is rolled back THEN CloudFormation undoes it, and the alias is left alone
    account.stack.add_response("cancel_update_stack", {}, {"StackName": "stack"})
    assert "cancelled" in go_back(account)
