from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from operations import candidate
from operations.stack import StackError
from tests.account import DEPLOYED, FUNCTION, STORE, Account

OTHER = f"{STORE}/fedcba9876543210"
VARIABLES = {"MODEL_URI": DEPLOYED, "LOG_TEXT": "false"}
WITH_OTHER = {"MODEL_URI": OTHER, "LOG_TEXT": "false", "MODEL_CANDIDATE": "true"}


@pytest.fixture
def several() -> set[str]:
    """The models that may give a text several labels."""
    return set()


@pytest.fixture(autouse=True)
def labels(monkeypatch: pytest.MonkeyPatch, several: set[str]) -> dict[str, tuple[str, ...]]:
    """The labels of each model in the store, which unit tests do not reach."""
    of_models: dict[str, tuple[str, ...]] = {DEPLOYED: ("a", "b"), OTHER: ("a", "b")}
    monkeypatch.setattr(
        candidate,
        "fetch_manifest",
        lambda uri: SimpleNamespace(
            manifest=SimpleNamespace(
                labels=of_models[uri], labelling="multi" if uri in several else None
            )
        ),
    )
    return of_models


def start(account: Account, uri: str = OTHER) -> str:
    return candidate.start_candidate(account.lambda_, account.find(), uri, 10)


def configured(account: Account, variables: dict[str, str], revision: str = "r") -> None:
    """Expect a call that reads the function's configuration."""
    answer = {"Environment": {"Variables": variables}, "RevisionId": revision}
    answer |= {"State": "Active", "LastUpdateStatus": "Successful"}
    account.function.add_response("get_function_configuration", answer, {"FunctionName": FUNCTION})


def expect_configuration(account: Account, variables: dict[str, str], revision: str = "r") -> None:
    """Expect calls that set the variables and wait until they apply."""
    expected = {"FunctionName": FUNCTION, "Environment": {"Variables": variables}}
    account.function.add_response("update_function_configuration", {}, expected)
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
    expected = {"FunctionName": FUNCTION, "Description": f"candidate {OTHER}", "RevisionId": "new"}
    account.function.add_response("publish_version", {"Version": "11"}, expected)


def expect_active(account: Account) -> None:
    expected = {"FunctionName": FUNCTION, "Qualifier": "11"}
    account.function.add_response("get_function_configuration", {"State": "Active"}, expected)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let waiters ask again at once."""
    monkeypatch.setattr("botocore.waiter.time", SimpleNamespace(sleep=lambda _: None))


@pytest.mark.parametrize(
    "variables",
    [VARIABLES, WITH_OTHER],
    ids=["as deployed", "left behind by a run that was killed"],
)
def test_a_candidate_gets_its_share_and_the_function_stays_as_deployed(
    account: Account, variables: dict[str, str]
) -> None:
    # GIVEN a stack whose version 10 serves
    account.describe()
    account.serve("10")
    account.has_model("10")
    configured(account, variables)
    # WHEN a candidate starts THEN a version with its model is published ...
    expect_configuration(account, WITH_OTHER, "new")
    expect_publication(account)
    # ... the function gets back what CloudFormation deployed ...
    expect_configuration(account, VARIABLES)
    expect_active(account)
    # ... and the version gets a tenth of the requests
    account.expect_alias(None, v11=0.1)
    assert start(account) == "11"


def test_after_a_rollback_the_model_that_serves_counts(account: Account) -> None:
    # GIVEN a stack that deployed one model, and a version with another one that serves
    account.describe()
    account.serve("7")
    account.has_model("7", OTHER)
    # WHEN that other model is to be tried THEN it is refused, because it serves
    with pytest.raises(StackError, match="already serves"):
        start(account, OTHER)


def test_a_failed_publication_leaves_the_function_as_deployed(account: Account) -> None:
    # GIVEN another process that changes the function between the update and the publication
    account.describe()
    account.serve("10")
    account.has_model("10")
    configured(account, VARIABLES)
    expect_configuration(account, WITH_OTHER, "new")
    account.function.add_client_error("publish_version", "PreconditionFailedException")
    # WHEN a candidate starts THEN it fails, the configuration is restored, and no request moves
    expect_configuration(account, VARIABLES)
    with pytest.raises(ClientError, match="PreconditionFailedException"):
        start(account)


def test_an_alias_that_a_deployment_has_moved_is_left_alone(account: Account) -> None:
    account.describe()
    account.serve("10")
    account.has_model("10")
    configured(account, VARIABLES)
    expect_configuration(account, WITH_OTHER, "new")
    expect_publication(account)
    expect_configuration(account, VARIABLES)
    expect_active(account)
    account.function.add_client_error("update_alias", "PreconditionFailedException")
    with pytest.raises(ClientError, match="PreconditionFailedException"):
        start(account)


def test_no_candidate_starts_during_a_deployment(account: Account) -> None:
    account.describe("UPDATE_IN_PROGRESS")
    with pytest.raises(StackError, match="wait for the deployment to end"):
        start(account)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        (DEPLOYED, "already serves"),
        ("s3://models/other/fedcba9876543210", "publish the model there"),
    ],
)
def test_a_candidate_is_another_model_of_the_same_store(
    account: Account, uri: str, message: str
) -> None:
    account.describe()
    account.serve("10")
    account.has_model("10")
    with pytest.raises(StackError, match=message):
        start(account, uri)


def test_a_model_that_gives_several_labels_does_not_stand_in_for_one_that_gives_one(
    account: Account, several: set[str]
) -> None:
    # GIVEN a candidate with the same labels, of which a text may have several
    several.add(OTHER)
    account.describe()
    account.serve("10")
    account.has_model("10")
    # WHEN it is started THEN it is refused
    message = "may give a text several labels, and the model that serves gives it one"
    with pytest.raises(StackError, match=message):
        start(account)


def test_a_model_with_other_labels_is_refused(
    account: Account, labels: dict[str, tuple[str, ...]]
) -> None:
    labels[OTHER] = ("negative", "positive")
    account.describe()
    account.serve("10")
    account.has_model("10")
    message = "negative, positive; those of the model that serves are a, b"
    with pytest.raises(StackError, match=message):
        start(account)


def test_the_model_of_the_candidate_is_found(account: Account) -> None:
    account.describe()
    account.serve("10", v11=0.1)
    answer = {"Environment": {"Variables": WITH_OTHER}}
    expected = {"FunctionName": FUNCTION, "Qualifier": "11"}
    account.function.add_response("get_function_configuration", answer, expected)
    assert candidate.find_candidate(account.lambda_, account.find()) == OTHER


def test_a_missing_candidate_is_an_error(account: Account) -> None:
    account.describe()
    account.serve("10")
    with pytest.raises(StackError, match="no candidate"):
        candidate.find_candidate(account.lambda_, account.find())


def end(account: Account) -> str:
    return candidate.end_candidate(account.lambda_, account.find())


def test_an_ended_candidate_gets_no_requests(account: Account) -> None:
    account.describe()
    account.serve("10", v11=0.1)
    account.expect_alias("10")
    assert end(account) == "stack: version 10 answers all requests, candidate 11 none"


def test_without_a_candidate_nothing_changes(account: Account) -> None:
    account.describe()
    account.serve("10")
    assert end(account) == "stack: no candidate"


def test_the_share_of_a_canary_is_not_mistaken_for_a_candidates(account: Account) -> None:
    account.describe("UPDATE_IN_PROGRESS")
    with pytest.raises(StackError, match="wait for the deployment to end"):
        end(account)
