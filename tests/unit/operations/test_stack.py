import pytest
from botocore.exceptions import ClientError

from operations.stack import MissingStackError, Stack, StackError
from tests.account import DEPLOYED, FUNCTION, Account


def find(account: Account) -> Stack:
    return Stack.find(account.cloudformation, "stack")


def find_deployed(account: Account) -> Stack | None:
    return Stack.find_deployed(account.cloudformation, "stack")


def test_a_stack_knows_its_function_and_its_model(account: Account) -> None:
    account.describe(Url="https://api")
    stack = find(account)
    assert (stack.function, stack.model_uri) == (FUNCTION, DEPLOYED)
    assert stack.outputs["Url"] == "https://api"


def test_the_error_for_a_missing_stack_names_the_region(account: Account) -> None:
    account.describe_missing()
    with pytest.raises(MissingStackError, match="stack does not exist in us-east-1: check"):
        find(account)


def test_missing_permissions_are_not_mistaken_for_a_missing_stack(account: Account) -> None:
    account.stack.add_client_error("describe_stacks", "AccessDenied", "not authorized")
    with pytest.raises(ClientError, match="not authorized"):
        find_deployed(account)


def test_a_stack_is_not_deployed_before_its_first_deployment(account: Account) -> None:
    account.describe_missing()
    assert find_deployed(account) is None


def test_a_stack_is_not_deployed_after_its_first_deployment_failed(account: Account) -> None:
    account.describe("ROLLBACK_COMPLETE", Function="")
    assert find_deployed(account) is None


def test_a_missing_output_is_an_error_that_says_what_to_do(account: Account) -> None:
    account.describe()
    with pytest.raises(StackError, match="stack has no log: deploy it with PredictionLog=on"):
        find(account).require_output(
            "PredictionTable", "has no log: deploy it with PredictionLog=on"
        )
