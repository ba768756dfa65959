from operations.alias import live_version
from tests.account import Account


def version(account: Account) -> str | None:
    return live_version(account.cloudformation, account.lambda_, "stack")


def test_the_live_version_is_the_one_behind_the_alias(account: Account) -> None:
    account.describe()
    account.serve("10")
    assert version(account) == "10"


def test_a_candidate_is_not_the_live_version(account: Account) -> None:
    account.describe()
    account.serve("10", v11=0.1)
    assert version(account) == "10"


def test_there_is_no_live_version_before_the_first_deployment(account: Account) -> None:
    account.describe_missing()
    assert version(account) is None


def test_there_is_no_live_version_after_the_first_deployment_failed(account: Account) -> None:
    account.describe("ROLLBACK_COMPLETE", Function="")
    assert version(account) is None
