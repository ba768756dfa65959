import pytest
from botocore.exceptions import ClientError

from operations.activation import IDLE, PAUSES, activate
from operations.stack import StackError
from tests.account import FUNCTION, Account


def wake(account: Account) -> list[float]:
    """Activate version 7; returns the pauses in seconds."""
    pauses: list[float] = []
    activate(account.lambda_, FUNCTION, "7", pauses.append)
    return pauses


def test_a_version_that_answers_is_called_once(account: Account) -> None:
    account.answer_warmer("7")
    assert wake(account) == []


@pytest.mark.parametrize("code", IDLE)
def test_an_idle_version_is_called_again_after_growing_pauses(account: Account, code: str) -> None:
    # GIVEN a version that Lambda makes active again, which takes three calls
    for _ in range(3):
        account.function.add_client_error("invoke", code)
    account.answer_warmer("7")
    # WHEN it is activated THEN the pauses double
    assert wake(account) == [5, 10, 20]


def test_a_version_that_stays_idle_is_an_error_after_more_than_two_minutes(
    account: Account,
) -> None:
    for _ in range(len(PAUSES) + 1):
        account.function.add_client_error("invoke", "ResourceConflictException")
    with pytest.raises(StackError, match="not active after 155 seconds"):
        wake(account)


@pytest.mark.parametrize("body", [b'{"status": "unavailable"}', b'{"status":"unavailable"}'])
def test_a_version_that_cannot_load_its_model_is_an_error(account: Account, body: bytes) -> None:
    account.answer_warmer("7", body)
    with pytest.raises(StackError, match=r"version 7 .* does not work"):
        wake(account)


def test_another_error_is_not_waited_for(account: Account) -> None:
    account.function.add_client_error("invoke", "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        wake(account)
