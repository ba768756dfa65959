import pytest
from botocore.exceptions import ClientError

from operations.stack import serving
from tests.account import Account


def version(account: Account) -> str:
    return serving(account.cloudformation, account.lambda_, "stack")


def test_the_version_that_serves_is_known(account: Account) -> None:
    account.describe()
    account.serve("10")
    assert version(account) == "10"


def test_a_candidate_is_not_the_version_that_serves(account: Account) -> None:
    account.describe()
    account.serve("10", v11=0.1)
    assert version(account) == "10"


def test_before_the_first_deployment_none_serves(account: Account) -> None:
    account.be_missing()
    assert version(account) == ""


def test_after_a_first_deployment_that_failed_none_serves(account: Account) -> None:
    account.describe("ROLLBACK_COMPLETE", Function="")
    assert version(account) == ""


def test_a_stack_that_may_not_be_seen_is_an_error(account: Account) -> None:
    account.stack.add_client_error("describe_stacks", "AccessDenied", "not authorized")
    with pytest.raises(ClientError, match="not authorized"):
        version(account)
