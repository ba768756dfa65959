import pytest

from operations import candidate
from tests.account import Account
from textclf.app import main

URI = "s3://models/news/fedcba9876543210"


def test_start_says_which_version_gets_which_share(
    account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidate, "start_candidate", lambda *_: "11")
    account.describe()
    assert main(["candidate", "start", "stack", URI, "10"]) == 0
    expected = f"stack: 10 % of the requests go to version 11 with {URI}\n"
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize("percent", ["0", "100", "-1", "x"])
def test_a_share_that_is_no_percentage_is_a_usage_error(account: Account, percent: str) -> None:
    assert main(["candidate", "start", "stack", URI, percent]) == 2


def test_show_without_a_candidate_is_an_error(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.describe()
    account.serve("10")
    assert main(["candidate", "show", "stack"]) == 1
    assert capsys.readouterr().err.startswith("error: stack has no candidate: start one with")


def test_end_says_which_version_answers_all_requests(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.describe()
    account.serve("10", v11=0.1)
    account.expect_alias("10")
    assert main(["candidate", "end", "stack"]) == 0
    expected = "stack: version 10 answers all requests, candidate 11 none\n"
    assert capsys.readouterr().out == expected


def test_before_the_first_deployment_there_is_nothing_to_end(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.describe_missing()
    assert main(["candidate", "end", "stack"]) == 0
    assert capsys.readouterr().out == "stack: not deployed yet\n"


def test_after_a_failed_first_deployment_there_is_nothing_to_end(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.describe("ROLLBACK_COMPLETE", Function="")
    assert main(["candidate", "end", "stack"]) == 0
    assert capsys.readouterr().out == "stack: not deployed yet\n"
