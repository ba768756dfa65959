from collections.abc import Iterable
from typing import Any

import pytest

from operations import activation
from operations.rollback import finish_rollback, roll_back
from operations.stack import StackError
from tests.account import FUNCTION, MODEL, STORE, Account


def go_back(account: Account, *version: str) -> str:
    return roll_back(account.cloudformation, account.lambda_, account.find(), *version)


FAILED_9 = (
    ("stack", "UPDATE_ROLLBACK_COMPLETE"),
    ("9", "DELETE_SKIPPED"),
    ("stack", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"),
    ("stack", "UPDATE_ROLLBACK_IN_PROGRESS"),
    ("9", "CREATE_COMPLETE"),
    ("9", "CREATE_IN_PROGRESS"),
    ("stack", "UPDATE_IN_PROGRESS"),
)


def test_the_previous_version_serves_again(account: Account) -> None:
    # GIVEN version 10 serves, and version 9 was deleted
    account.describe()
    account.serve("10")
    account.expect_events()
    account.list_versions(dict.fromkeys(("2", "8", "10", "11"), "s3://..."))
    # WHEN it is rolled back THEN the newest older version serves, by number and not by spelling
    account.answer_warmer("8")
    account.expect_alias("8")
    assert go_back(account) == "stack: version 8 serves instead of 10"


def test_a_candidate_loses_its_share_and_the_deployed_version_stays(account: Account) -> None:
    # GIVEN version 10 serves together with a candidate
    account.describe()
    account.serve("10", v11=0.1)
    # WHEN it is rolled back THEN version 10 answers all requests
    account.expect_alias("10")
    assert go_back(account) == "stack: version 10 answers all requests, candidate 11 none"


def test_a_rollback_skips_versions_that_were_only_candidates(account: Account) -> None:
    # GIVEN a candidate that was given up before version 10 was deployed
    account.describe()
    account.serve("10")
    account.expect_events()
    account.list_versions({"8": "s3://...", "9": "candidate s3://...", "10": "s3://..."})
    # WHEN it is rolled back THEN the deployed version before it serves
    account.answer_warmer("8")
    account.expect_alias("8")
    assert go_back(account) == "stack: version 8 serves instead of 10"


def test_a_rollback_skips_a_version_whose_deployment_failed(account: Account) -> None:
    # GIVEN a canary of version 9 that was rolled back before version 10 was deployed
    account.describe()
    account.serve("10")
    account.expect_events(
        ("stack", "UPDATE_COMPLETE"),
        ("10", "CREATE_COMPLETE"),
        ("stack", "UPDATE_IN_PROGRESS"),
        *FAILED_9,
        ("8", "DELETE_SKIPPED"),
        ("stack", "UPDATE_COMPLETE"),
    )
    account.list_versions({"8": "s3://...", "9": "s3://...", "10": "s3://..."})
    # WHEN it is rolled back THEN the version that served before it serves
    account.answer_warmer("8")
    account.expect_alias("8")
    assert go_back(account) == "stack: version 8 serves instead of 10"


def test_a_rollback_to_a_failed_version_happens_only_by_its_number(account: Account) -> None:
    # GIVEN only a version before the one that serves, which failed
    account.describe()
    account.serve("10")
    account.expect_events(*FAILED_9)
    account.list_versions({"9": "s3://...", "10": "s3://..."})
    # WHEN it is rolled back THEN the failed version does not serve
    with pytest.raises(StackError, match="no version older than 10 that served"):
        go_back(account)
    # UNLESS it is asked for
    account.describe()
    account.serve("10")
    account.answer_warmer("9")
    account.expect_alias("9")
    assert go_back(account, "9") == "stack: version 9 serves instead of 10"


def test_a_chosen_version_serves_even_if_there_is_a_candidate(account: Account) -> None:
    account.describe()
    account.serve("10", v11=0.1)
    account.answer_warmer("2")
    account.expect_alias("2")
    assert go_back(account, "2") == "stack: version 2 serves instead of 10"


def test_nothing_changes_without_an_older_version(account: Account) -> None:
    account.describe("CREATE_COMPLETE")
    account.serve("1")
    account.expect_events()
    account.list_versions({"1": "s3://..."})
    with pytest.raises(StackError, match="no version older than 1"):
        go_back(account)


def test_a_deployment_in_progress_is_cancelled(account: Account) -> None:
    # GIVEN a canary that CodeDeploy watches
    account.describe("UPDATE_IN_PROGRESS")
    # WHEN it is rolled back THEN CloudFormation undoes it, and the alias is left alone
    account.stack.add_response("cancel_update_stack", {}, {"StackName": "stack"})
    assert "cancelled" in go_back(account)


def test_a_version_is_not_chosen_during_a_deployment(account: Account) -> None:
    # GIVEN a deployment in progress
    account.describe("UPDATE_IN_PROGRESS")
    # WHEN a version is to serve THEN nothing is cancelled or moved, and the user is told how
    with pytest.raises(StackError, match=r"cancel it .* without a version, .* then choose 7"):
        go_back(account, "7")


def test_a_throttled_function_is_rolled_back_without_an_answer(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a function that uses all its concurrency
    monkeypatch.setattr(activation, "BRIEF_PAUSES", ())
    account.describe()
    account.serve("10")
    account.function.add_client_error("invoke", activation.THROTTLED)
    # WHEN it is rolled back THEN the earlier version gets the requests, and the user is told
    account.expect_alias("9")
    assert go_back(account, "9") == (
        "stack: version 9 serves instead of 10, but could not be called first: "
        "the function has no free concurrency"
    )


def test_a_version_that_does_not_answer_gets_no_requests(account: Account) -> None:
    # GIVEN an earlier version whose model is gone
    account.describe()
    account.serve("10")
    account.answer_warmer("2", b'{"status": "unavailable"}')
    # WHEN it is to serve again THEN the alias stays where it is
    with pytest.raises(StackError, match="does not work"):
        go_back(account, "2")


def test_a_rollback_after_a_rollback_skips_what_was_withdrawn(account: Account) -> None:
    # GIVEN version 11, which is version 9 deployed anew after version 10 was withdrawn
    account.describe()
    account.serve("11")
    versions = {
        "8": "s3://m 8 abc",
        "9": "s3://m 9 abc",
        "10": "s3://m 10 abc",
        "11": "s3://m 9 rb9",
    }
    account.expect_events()
    account.list_versions(versions)
    # WHEN it is rolled back THEN version 8 serves, not version 10
    account.answer_warmer("8")
    account.expect_alias("8")
    assert go_back(account) == "stack: version 8 serves instead of 11"


def test_a_retraining_after_a_rollback_is_a_version_of_its_own(account: Account) -> None:
    # GIVEN version 12, which a retraining deployed with the Revision that a rollback left behind
    account.describe()
    account.serve("12")
    versions = {
        "8": "s3://m 8 abc",
        "9": "s3://m 9 abc",
        "10": "s3://m 10 abc",
        "11": "s3://m 9 rb9",
        "12": "s3://m 12 rb9",
    }
    account.expect_events()
    account.list_versions(versions)
    # WHEN it is rolled back THEN the version before it serves
    account.answer_warmer("11")
    account.expect_alias("11")
    assert go_back(account) == "stack: version 11 serves instead of 12"


OLD = f"{STORE}/00112233445566aa"
IMAGES = [
    f"1.dkr.ecr.us-east-1.amazonaws.com/text-classifier@sha256:{digit * 64}" for digit in "12"
]
STACK = {"Image": IMAGES[1], "Revision": "0123456789", "ShiftTraffic": "true", "Access": "iam"}


def finish(account: Account) -> str:
    return finish_rollback(account.cloudformation, account.lambda_, account.find())


def expect_update(account: Account, changed: dict[str, str], names: Iterable[str] = ()) -> None:
    """Expect an update with the stack's own template that changes these parameters only."""
    account.stack.add_response(
        "update_stack",
        {},
        {
            "StackName": "stack",
            "UsePreviousTemplate": True,
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": changed[name]}
                if name in changed
                else {"ParameterKey": name, "UsePreviousValue": True}
                for name in (*MODEL, *STACK, *names)
            ],
        },
    )


def has_image(account: Account, version: str | None, image: str) -> None:
    expected = {"FunctionName": FUNCTION} | ({"Qualifier": version} if version else {})
    answer: Any = {"Code": {"ResolvedImageUri": image}}
    account.function.add_response("get_function", answer, expected)


def test_finishing_deploys_the_model_and_the_image_that_serve(account: Account) -> None:
    # GIVEN a stack that deployed version 8, and version 7 that serves since a rollback
    account.describe(parameters=STACK, Version="8")
    account.serve("7")
    account.has_model("7", OLD)
    has_image(account, "7", IMAGES[0])
    account.list_versions()
    # WHEN the rollback is finished
    changed = {
        "ModelStore": STORE,
        "ModelVersion": "00112233445566aa",
        "Image": IMAGES[0],
        "Revision": "rb7",
        "ShiftTraffic": "false",
    }
    # THEN the stack is updated with its own template, and CloudFormation moves the alias itself
    expect_update(account, changed)
    account.describe("UPDATE_COMPLETE")
    assert finish(account) == "stack: the stack deployed the model of version 7 anew"


def test_finishing_brings_back_the_settings_that_the_version_was_deployed_with(
    account: Account,
) -> None:
    # GIVEN a stack that lowered the memory and changed the network after version 7
    settings = {
        "Architecture": "arm64",
        "MemorySize": "3008",
        "EphemeralStorage": "1024",
        "SnapStart": "off",
        "SubnetIds": "subnet-1,subnet-2",
        "SecurityGroupIds": "sg-1",
        "LogText": "false",
    }
    account.describe(parameters=STACK | dict.fromkeys(settings, "other"), Version="8")
    account.serve("7")
    configuration: Any = {
        "Architectures": ["arm64"],
        "MemorySize": 3008,
        "EphemeralStorage": {"Size": 1024},
        "SnapStart": {"ApplyOn": "None"},
        "VpcConfig": {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
        "Environment": {"Variables": {"MODEL_URI": OLD, "LOG_TEXT": "false"}},
    }
    account.function.add_response("get_function_configuration", configuration)
    has_image(account, "7", IMAGES[0])
    account.list_versions()
    # WHEN the rollback is finished THEN the stack has the settings of version 7 again
    changed = settings | {
        "ModelStore": STORE,
        "ModelVersion": "00112233445566aa",
        "Image": IMAGES[0],
        "Revision": "rb7",
        "ShiftTraffic": "false",
    }
    expect_update(account, changed, settings)
    account.describe("UPDATE_COMPLETE")
    assert "version 7" in finish(account)


@pytest.mark.parametrize(
    ("deployed", "newest"), [("rb7", "s3://m 7 rb7"), ("0123456789", "s3://m 7 rb7")]
)
def test_a_rollback_can_be_finished_again(account: Account, deployed: str, newest: str) -> None:
    # GIVEN a rollback to version 7 that was finished once before, or whose end failed
    account.describe(parameters=STACK | {"Revision": deployed}, Version="9")
    account.serve("7")
    account.has_model("7", OLD)
    has_image(account, "7", IMAGES[0])
    account.list_versions({"8": "s3://m 8 0123456789", "9": newest})
    # WHEN it is finished THEN it differs from what the stack, or the version left behind, has
    changed = {
        "ModelStore": STORE,
        "ModelVersion": "00112233445566aa",
        "Image": IMAGES[0],
        "Revision": "rb7x",
        "ShiftTraffic": "false",
    }
    expect_update(account, changed)
    account.describe("UPDATE_COMPLETE")
    assert "version 7" in finish(account)


def test_nothing_is_to_be_finished_if_the_deployed_version_serves(account: Account) -> None:
    account.describe(parameters=STACK, Version="8")
    account.serve("8")
    assert finish(account) == ""


def test_a_cancelled_deployment_is_finished_by_cloudformation(account: Account) -> None:
    account.describe("UPDATE_IN_PROGRESS", parameters=STACK, Version="8")
    assert finish(account) == ""


def test_an_image_that_the_template_names_cannot_be_brought_back(account: Account) -> None:
    # GIVEN a stack that was deployed with `sam build`, and an earlier version with another image
    account.describe(Version="8")
    account.serve("7")
    account.has_model("7", OLD)
    has_image(account, "7", IMAGES[0])
    has_image(account, None, IMAGES[1])
    # WHEN the rollback is finished THEN the error says what brings the stack up to date
    with pytest.raises(StackError, match="the next `make deploy` brings the stack up to date"):
        finish(account)
