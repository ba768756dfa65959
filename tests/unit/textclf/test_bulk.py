from pathlib import Path

import pytest

from inference.bulk.distributed.manifest import Totals
from tests.account import Account
from tests.conftest import SAMPLE_MODEL
from textclf.app import main
from textclf.bulk import _describe, _describe_failed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give the model with --model-uri, or a --stack to score on"),
        (["--model-uri", "file:///m", "--workers", "0"], '"0" for --workers. Must be >= 1.'),
        (["--model-uri", "file:///m", "--format", "doc"], "--format"),
        (["--model-uri", "file:///m", "--distributed"], "Unknown option: --distributed"),
        (["--stack", "prod", "--model-uri", "build/news/bundle"], "need a model in S3"),
        (["--stack", "prod", "--model-uri", "file:///m"], "need a model in S3"),
    ],
)
def test_wrong_options_are_usage_errors(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bulk", "in.csv", "--output", "out.csv", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error


def test_hyphens_are_stdin_and_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--format", "jsonl", "--output", "-", "--model-uri", "file:///not-there"]
    assert main(["bulk", "-", *options]) == 1
    assert "file:///not-there" in capsys.readouterr().err


def test_a_model_can_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text\nFed holds rates\n")
    options = ["--output", str(tmp_path / "out.csv"), "--workers", "1"]
    assert main(["bulk", str(tmp_path / "in.csv"), *options, "--model-uri", str(SAMPLE_MODEL)]) == 0
    assert "Business" in (tmp_path / "out.csv").read_text()


def test_a_stack_without_a_bucket_for_files_is_an_error(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a stack that was deployed without BulkBucket
    account.describe()
    # WHEN files are scored on it THEN the error says how to deploy it
    assert main(["bulk", "s3://files/in/", "--output", "s3://files/out", "--stack", "stack"]) == 1
    error = capsys.readouterr().err
    assert error == "error: stack cannot score files: deploy it with BulkBucket=BUCKET\n"


def test_the_summary_of_a_run_is_its_balance() -> None:
    totals = Totals(rows=90, parts=3, rejected=2, failed_ranges=0, worker_seconds=1.5)
    assert _describe(totals) == "92 rows = 90 scored + 2 rejected, in 3 parts"


@pytest.mark.parametrize(("failed", "shown", "end"), [(1, 1, ""), (3, 3, ""), (1200, 3, "; ...")])
def test_the_error_of_a_run_names_the_first_ranges_that_failed(
    failed: int, shown: int, end: str
) -> None:
    # GIVEN some ranges that failed
    ranges = [{"key": "in/a.csv", "line": 50_002, "error": "BulkError"}] * failed
    # WHEN they are described THEN their number is there, where the first are, and what to do
    places = "; ".join(["in/a.csv from line 50,002 (BulkError)"] * shown)
    assert _describe_failed(ranges, 30_000) == (
        f"{failed:,} of 30,000 ranges failed, so rows are missing: {places}{end} "
        "(the manifest says why; repeat the command to score only what is missing)"
    )
