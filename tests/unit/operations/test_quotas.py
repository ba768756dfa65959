import pytest

from operations.quotas import QuotaError, require_concurrency
from tests.account import Account

BULK = {"BulkBucket": "files", "BulkConcurrency": "100"}


def allow(account: Account, total: int, unreserved: int) -> None:
    """Expect a call that reads the account's limits."""
    limits = {"ConcurrentExecutions": total, "UnreservedConcurrentExecutions": unreserved}
    account.function.add_response("get_account_settings", {"AccountLimit": limits}, {})


def test_a_stack_that_reserves_nothing_needs_no_quota(account: Account) -> None:
    require_concurrency(account.lambda_, {}, {"ReservedConcurrency": "-1", "BulkBucket": ""})


def test_reservations_that_fit_are_accepted(account: Account) -> None:
    allow(account, 1000, 1000)
    require_concurrency(account.lambda_, {}, {**BULK, "ReservedConcurrency": "800"})


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        (BULK, 100),
        ({"ReservedConcurrency": "20"}, 20),
        ({"ProvisionedConcurrency": "5"}, 5),
        ({**BULK, "ReservedConcurrency": "20", "ProvisionedConcurrency": "5"}, 120),
    ],
    ids=str,
)
def test_a_new_account_is_told_which_quota_to_raise(
    account: Account, parameters: dict[str, str], wanted: int
) -> None:
    # GIVEN an account with 10 concurrent executions, as new ones have
    allow(account, 10, 10)
    # WHEN a deployment reserves more THEN the error names the quota
    with pytest.raises(QuotaError, match=rf"reserves {wanted} .* can spare 0.*L-B99A9384"):
        require_concurrency(account.lambda_, {}, parameters)


def test_what_the_stack_already_reserves_counts_as_free(account: Account) -> None:
    # GIVEN a stack that holds 100 of the account's 250
    allow(account, 250, 150)
    # WHEN it wants 150 THEN that fits, and without what it holds it would not
    require_concurrency(account.lambda_, BULK, {**BULK, "BulkConcurrency": "150"})
