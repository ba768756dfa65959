import pytest

from tests.account import FUNCTION, Account
from textclf.app import main


def test_prune_says_what_it_deleted(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN three versions
    account.describe()
    versions = {"Versions": [{"Version": str(number)} for number in (1, 2, 3)]}
    aliases = {"Aliases": [{"Name": "live", "FunctionVersion": "3"}]}
    function = {"FunctionName": FUNCTION}
    account.function.add_response("list_versions_by_function", versions, function)
    account.function.add_response("list_aliases", aliases, function)
    account.expect_events()
    for version in ("1", "2"):
        account.function.add_response("delete_function", {}, {**function, "Qualifier": version})
    # WHEN only one is kept THEN the others are deleted
    assert main(["prune", "stack", "--keep", "1"]) == 0
    assert capsys.readouterr().out == "stack: deleted the versions 1, 2\n"


def test_without_snapstart_a_deployment_deletes_nothing(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.describe()
    function = {"FunctionName": FUNCTION}
    versions = {"Versions": [{"Version": "1"}]}
    account.function.add_response("list_versions_by_function", versions, function)
    assert main(["prune", "stack", "--with-snapshots"]) == 0
    assert capsys.readouterr().out == ""


def test_at_least_one_version_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", "stack", "--keep", "0"]) == 2
    assert "--keep" in capsys.readouterr().err
