"""What predictions cost: the arithmetic, and the tables in the README."""

import pytest

from operations import prices
from operations.cost import SERVICE_LOG_BYTES, Function, Request, main, per_million
from tests.conftest import ROOT

GIGABYTE = Function(memory=1024, architecture="x86_64")


def test_the_readme_shows_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    assert capsys.readouterr().out in (ROOT / "README.md").read_text()


def test_a_million_predictions_are_metered_as_aws_does() -> None:
    # GIVEN 10 texts a request, of 99.1 ms, a log line of 1 KB in all and 2 KB of answer
    request = Request(10, 99.1, log_bytes=1000 - SERVICE_LOG_BYTES, answer_bytes=2000)
    # THEN 100,000 requests of 0.1 s are paid, 100 MB of logs and 200 MB of answers
    assert per_million(request, GIGABYTE) == pytest.approx(
        {
            "Lambda": 100_000 * (0.1 * prices.LAMBDA_GB_SECOND["x86_64"] + prices.LAMBDA_REQUEST),
            "HTTP API": 100_000 * prices.HTTP_API_REQUEST,
            "logs": 0.1 * prices.LOGS_INGESTED_GB,
            "traces of 5 % of the requests": 5_000 * prices.XRAY_TRACE,
            "data out": 0.2 * prices.TRANSFER_OUT_GB,
        }
    )


def test_memory_and_architecture_change_what_lambda_costs_and_nothing_else() -> None:
    request = Request(1, 1000, log_bytes=0, answer_bytes=0)
    usual = per_million(request, GIGABYTE)
    other = per_million(request, Function(memory=2048, architecture="arm64"))
    changed = {name for name in usual if usual[name] != other[name]}
    assert changed == {"Lambda"}
    compute = other["Lambda"] - 1e6 * prices.LAMBDA_REQUEST
    assert compute == pytest.approx(1e6 * 2 * prices.LAMBDA_GB_SECOND["arm64"])
