import subprocess
import sys

import pytest

from tests.account import Account
from tests.conftest import ROOT
from textclf.app import main


def test_live_prints_the_version_that_serves(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.describe()
    account.serve("10")
    assert main(["live", "stack"]) == 0
    assert capsys.readouterr().out == "10\n"


def test_live_prints_an_empty_line_before_the_first_deployment(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.describe_missing()
    assert main(["live", "stack"]) == 0
    assert capsys.readouterr().out == "\n"


def test_live_prints_an_empty_line_after_the_first_deployment_failed(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.describe("ROLLBACK_COMPLETE", Function="")
    assert main(["live", "stack"]) == 0
    assert capsys.readouterr().out == "\n"


def test_rollback_says_what_it_changed(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.describe()
    account.serve("10")
    account.answer_warmer("7")
    account.expect_alias("7")
    account.serve("7")
    assert main(["rollback", "stack", "7"]) == 0
    assert capsys.readouterr().out == "stack: version 7 serves instead of 10\n"


def test_a_missing_stack_is_an_error_of_one_line(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.describe_missing()
    assert main(["rollback", "stack"]) == 1
    assert capsys.readouterr().err.startswith("error: stack does not exist in us-east-1")


def test_an_error_of_aws_is_an_error_of_one_line(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.stack.add_client_error("describe_stacks", "AccessDenied", "not authorized")
    assert main(["live", "stack"]) == 1
    assert capsys.readouterr().err.startswith("error: AWS: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["rollback", "stack", "0"],
        ["compare", "stack", "--hours", "0"],
        ["smoke"],
        ["cost", "--memory", "0"],
        ["cost", "--headline-ms", "nan"],
    ],
    ids=" ".join,
)
def test_a_wrong_argument_is_a_usage_error(arguments: list[str]) -> None:
    assert main(arguments) == 2


def test_a_header_without_a_colon_is_refused_without_showing_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["smoke", "http://127.0.0.1:9", "--header", "secret"]) == 1
    assert capsys.readouterr().err == "error: --header: write it as NAME: VALUE\n"


def test_cost_prints_the_tables_in_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    # WHEN the costs are estimated for the shipped model
    assert main(["cost"]) == 0
    # THEN the documentation shows the same tables
    tables = capsys.readouterr().out.strip().split("\n\n")
    assert len(tables) == 3
    pages = "\n".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    for table in tables:
        assert table in pages


def test_cost_takes_the_duration_and_the_memory_of_another_model(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["cost", "--headline-ms", "1000", "--memory", "1024"]) == 0
    assert "| Lambda | 16.867 | " in capsys.readouterr().out


def test_cost_needs_no_library_of_aws_or_of_training() -> None:
    code = "import sys, textclf.app; textclf.app.main(['cost']); print(*sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = set(process.stdout.splitlines()[-1].split())
    assert not modules & {"boto3", "torch", "transformers"}
