import pytest

from operations.rollback import rollback
from operations.stack import DeliveryError
from tests.account import FUNCTION, Account


def go_back(account: Account, *version: str) -> str:
    return rollback(account.cloudformation, account.lambda_, "stack", *version)


def publish(account: Account, *published: str, candidates: tuple[str, ...] = ()) -> None:
    """Expect to be asked for the versions."""
    versions = [
        {"Version": one, "Description": "candidate s3://..." if one in candidates else "s3://..."}
        for one in ("$LATEST", *published)
    ]
    asked = {"FunctionName": FUNCTION}
    account.function.add_response("list_versions_by_function", {"Versions": versions}, asked)


def test_the_version_before_serves_again(account: Account) -> None:
    # GIVEN version 10 serves, and 9 was taken away
    account.describe()
    account.serve("10")
    publish(account, "2", "8", "10", "11")
    # WHEN it is rolled back THEN the newest older one serves: by number, not by spelling
    account.expect_alias("8")
    assert go_back(account) == "stack: version 8 serves instead of 10"


def test_a_candidate_loses_its_share_and_the_version_stays(account: Account) -> None:
    # GIVEN version 10 serves, with a candidate beside it
    account.describe()
    account.serve("10", v11=0.1)
    # WHEN it is rolled back THEN 10 serves all
    account.expect_alias("10")
    assert go_back(account) == "stack: version 10 answers all requests, candidate 11 none"


def test_no_rollback_goes_to_a_version_that_was_only_tried(account: Account) -> None:
    # GIVEN a candidate that was given up before version 10 was deployed
    account.describe()
    account.serve("10")
    publish(account, "8", "9", "10", candidates=("9",))
    # WHEN it is rolled back THEN the version before it serves
    account.expect_alias("8")
    assert go_back(account) == "stack: version 8 serves instead of 10"


def test_a_named_version_serves_again(account: Account) -> None:
    account.describe()
    account.serve("10", v11=0.1)
    account.expect_alias("2")
    assert go_back(account, "2") == "stack: version 2 serves instead of 10"


def test_without_an_older_version_nothing_changes(account: Account) -> None:
    account.describe("CREATE_COMPLETE")
    account.serve("1")
    publish(account, "1")
    with pytest.raises(DeliveryError, match="no version older than 1"):
        go_back(account)


def test_a_deployment_under_way_is_cancelled(account: Account) -> None:
    # GIVEN a canary that CodeDeploy watches
    account.describe("UPDATE_IN_PROGRESS")
    # WHEN it is rolled back THEN CloudFormation takes it back, and the alias is left to it
    account.stack.add_response("cancel_update_stack", {}, {"StackName": "stack"})
    assert "cancelled" in go_back(account)
