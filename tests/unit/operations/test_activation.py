import pytest
from botocore.exceptions import ClientError

from checks.deployment import NOT_READY
from operations.activation import BRIEF_PAUSES, IDLE, PAUSES, THROTTLED, activate
from operations.stack import StackError
from tests.account import FUNCTION, Account


def wake(account: Account, *, answers: bool = True) -> list[float]:
    """Activate version 7, which answers or not; returns the pauses in seconds."""
    pauses: list[float] = []
    assert activate(account.lambda_, FUNCTION, "7", pauses.append) is answers
    return pauses


def test_a_version_that_answers_is_called_once(account: Account) -> None:
    account.answer_warmer("7")
    assert wake(account) == []


def test_the_errors_of_a_version_that_is_not_ready_are_those_of_the_check() -> None:
    # The check is a single file that can import nothing of ours.
    assert {*IDLE, THROTTLED} == NOT_READY


@pytest.mark.parametrize("code", [*IDLE, THROTTLED])
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


def test_a_function_without_free_concurrency_is_not_waited_for_long(account: Account) -> None:
    # GIVEN a function that answers so many requests that every further call is refused
    for _ in range(len(BRIEF_PAUSES) + 1):
        account.function.add_client_error("invoke", THROTTLED)
    # WHEN a version is activated THEN it gives up after pauses of half a minute, without an error
    assert sum(wake(account, answers=False)) == 35


@pytest.mark.parametrize("body", [b'{"status": "unavailable"}', b'{"status":"unavailable"}'])
def test_a_version_that_cannot_load_its_model_is_an_error(account: Account, body: bytes) -> None:
    account.answer_warmer("7", body)
    with pytest.raises(StackError, match=r"version 7 .* does not work"):
        wake(account)


def test_another_error_is_not_waited_for(account: Account) -> None:
    account.function.add_client_error("invoke", "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        wake(account)
