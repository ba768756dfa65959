from operations.alias import LiveAlias
from tests.account import FUNCTION, Account


def test_the_live_version_is_the_one_behind_the_alias(account: Account) -> None:
    account.serve("10")
    alias = LiveAlias.read(account.lambda_, FUNCTION)
    assert (alias.version, alias.candidate) == ("10", None)


def test_a_candidate_is_not_the_live_version(account: Account) -> None:
    account.serve("10", v11=0.1)
    alias = LiveAlias.read(account.lambda_, FUNCTION)
    assert (alias.version, alias.candidate) == ("10", "11")
