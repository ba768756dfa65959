from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from operations import candidate
from operations.stack import DeliveryError
from tests.account import DEPLOYED, FUNCTION, STORE, Account

OTHER = f"{STORE}/fedcba9876543210"
VARIABLES = {"MODEL_URI": DEPLOYED, "LOG_TEXT": "false"}
WITH_OTHER = {"MODEL_URI": OTHER, "LOG_TEXT": "false", "MODEL_CANDIDATE": "true"}


@pytest.fixture(autouse=True)
def labels(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, ...]]:
    """The labels of the models in the store, which no unit test reaches."""
    of_models: dict[str, tuple[str, ...]] = {DEPLOYED: ("a", "b"), OTHER: ("a", "b")}
    monkeypatch.setattr(
        candidate, "fetch_manifest", lambda uri: (SimpleNamespace(labels=of_models[uri]), "")
    )
    return of_models


def start(account: Account, uri: str = OTHER, weight: int = 10) -> str:
    return candidate.start(account.cloudformation, account.lambda_, "stack", uri, weight)


def configured(account: Account, variables: dict[str, str], revision: str = "r") -> None:
    """Expect to be asked for the function's configuration."""
    answer = {"Environment": {"Variables": variables}, "RevisionId": revision}
    answer |= {"State": "Active", "LastUpdateStatus": "Successful"}
    account.function.add_response("get_function_configuration", answer, {"FunctionName": FUNCTION})


def expect_configuration(account: Account, variables: dict[str, str], revision: str = "r") -> None:
    """Expect the variables to be set, and waited for."""
    asked = {"FunctionName": FUNCTION, "Environment": {"Variables": variables}}
    account.function.add_response("update_function_configuration", {}, asked)
    account.function.add_response(
        "get_function",
        {"Configuration": {"LastUpdateStatus": "InProgress"}},
        {"FunctionName": FUNCTION},
    )
    account.function.add_response(
        "get_function",
        {"Configuration": {"LastUpdateStatus": "Successful"}},
        {"FunctionName": FUNCTION},
    )
    configured(account, variables, revision)


def expect_publication(account: Account) -> None:
    asked = {"FunctionName": FUNCTION, "Description": f"candidate {OTHER}", "RevisionId": "new"}
    account.function.add_response("publish_version", {"Version": "11"}, asked)


def expect_active(account: Account) -> None:
    asked = {"FunctionName": FUNCTION, "Qualifier": "11"}
    account.function.add_response("get_function_configuration", {"State": "Active"}, asked)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two questions of a waiter."""
    monkeypatch.setattr("botocore.waiter.time", SimpleNamespace(sleep=lambda _: None))


@pytest.mark.parametrize(
    "found",
    [VARIABLES, WITH_OTHER],
    ids=["as deployed", "as a run left it that was killed"],
)
def test_a_candidate_gets_its_share_and_the_function_stays_as_deployed(
    account: Account, found: dict[str, str]
) -> None:
    # GIVEN a stack whose version 10 serves
    account.describe()
    account.serve("10")
    configured(account, found)
    # WHEN a candidate starts THEN a version with its model is published ...
    expect_configuration(account, WITH_OTHER, "new")
    expect_publication(account)
    # ... the function gets back what CloudFormation deployed ...
    expect_configuration(account, VARIABLES)
    expect_active(account)
    # ... and the version a tenth of the requests
    account.expect_alias(None, v11=0.1)
    assert start(account) == f"stack: 10 % of the requests go to version 11 with {OTHER}"


def test_a_version_that_is_not_published_leaves_the_function_as_deployed(
    account: Account,
) -> None:
    # GIVEN somebody else who changes the function between the update and the publication
    account.describe()
    account.serve("10")
    configured(account, VARIABLES)
    expect_configuration(account, WITH_OTHER, "new")
    account.function.add_client_error("publish_version", "PreconditionFailedException")
    # WHEN a candidate starts THEN it fails, the configuration is put back, no request is moved
    expect_configuration(account, VARIABLES)
    with pytest.raises(ClientError, match="PreconditionFailedException"):
        start(account)


def test_an_alias_that_a_deployment_moved_is_left_to_it(account: Account) -> None:
    account.describe()
    account.serve("10")
    configured(account, VARIABLES)
    expect_configuration(account, WITH_OTHER, "new")
    expect_publication(account)
    expect_configuration(account, VARIABLES)
    expect_active(account)
    account.function.add_client_error("update_alias", "PreconditionFailedException")
    with pytest.raises(ClientError, match="PreconditionFailedException"):
        start(account)


def test_no_candidate_starts_while_a_deployment_moves_the_alias(account: Account) -> None:
    account.describe("UPDATE_IN_PROGRESS")
    with pytest.raises(DeliveryError, match="wait for the deployment to end"):
        start(account)


@pytest.mark.parametrize("weight", [0, 100, -1])
def test_a_weight_is_a_share(account: Account, weight: int) -> None:
    with pytest.raises(DeliveryError, match="1 to 99 percent"):
        start(account, weight=weight)


@pytest.mark.parametrize(
    ("uri", "message"),
    [(DEPLOYED, "is the deployed model"), ("s3://models/other/fedcba9876543210", "publish it")],
)
def test_the_model_is_another_one_of_the_same_store(
    account: Account, uri: str, message: str
) -> None:
    account.describe()
    with pytest.raises(DeliveryError, match=message):
        start(account, uri)


def test_a_model_with_other_labels_is_refused(
    account: Account, labels: dict[str, tuple[str, ...]]
) -> None:
    labels[OTHER] = ("negative", "positive")
    account.describe()
    with pytest.raises(DeliveryError, match="its labels are negative, positive, not a, b"):
        start(account)


def test_the_model_of_a_candidate_is_shown(account: Account) -> None:
    account.describe()
    account.serve("10", v11=0.1)
    answer = {"Environment": {"Variables": WITH_OTHER}}
    asked = {"FunctionName": FUNCTION, "Qualifier": "11"}
    account.function.add_response("get_function_configuration", answer, asked)
    assert candidate.show(account.cloudformation, account.lambda_, "stack") == OTHER


def test_without_a_candidate_there_is_none_to_promote(account: Account) -> None:
    account.describe()
    account.serve("10")
    with pytest.raises(DeliveryError, match="no candidate"):
        candidate.show(account.cloudformation, account.lambda_, "stack")


def end(account: Account) -> str:
    return candidate.end(account.cloudformation, account.lambda_, "stack")


def test_an_ended_candidate_gets_no_requests(account: Account) -> None:
    account.describe()
    account.serve("10", v11=0.1)
    account.expect_alias("10")
    assert end(account) == "stack: version 10 answers all requests, candidate 11 none"


def test_ending_no_candidate_changes_nothing(account: Account) -> None:
    account.describe()
    account.serve("10")
    assert end(account) == "stack: no candidate"


def test_the_weight_of_a_canary_is_not_taken_for_a_candidates(account: Account) -> None:
    account.describe("UPDATE_IN_PROGRESS")
    with pytest.raises(DeliveryError, match="wait for the deployment to end"):
        end(account)


def test_before_the_first_deployment_there_is_nothing_to_end(account: Account) -> None:
    account.be_missing()
    assert end(account) == "stack: not deployed yet"


def test_after_a_first_deployment_that_failed_there_is_nothing_to_end(account: Account) -> None:
    account.describe("ROLLBACK_COMPLETE", Function="")
    assert end(account) == "stack: not deployed yet"


def test_a_stack_that_may_not_be_seen_is_an_error(account: Account) -> None:
    account.stack.add_client_error("describe_stacks", "AccessDenied", "no")
    with pytest.raises(ClientError, match="AccessDenied"):
        end(account)
