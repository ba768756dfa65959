import pytest

from operations import prices
from operations.bulk_cost import OVERHEAD_SECONDS, START_SECONDS, estimate, main
from tests.conftest import ROOT


def test_the_readme_has_the_table_of_today(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    assert capsys.readouterr().out in (ROOT / "README.md").read_text()


def test_one_range_costs_what_the_prices_say() -> None:
    # GIVEN 10,000 rows of 100 bytes at 100 a second: one file, planned in 0.05 s, scored in 100 s
    found = estimate(10_000, 10, 100, 100)
    # THEN time and cost are these and the fixed ones
    assert found.ranges == 1
    assert found.seconds == pytest.approx(100.05 + OVERHEAD_SECONDS + START_SECONDS)
    work = (100.05 + START_SECONDS) * 1769 / 1024 * prices.LAMBDA_GB_SECOND["x86_64"]
    requests = 2 * prices.LAMBDA_REQUEST + 3 * prices.S3_GET + prices.S3_PUT
    states = 4 * prices.STEP_FUNCTIONS_STANDARD_TRANSITION
    assert found.usd == pytest.approx(work + requests + states)


def test_more_workers_take_less_time_for_much_the_same_money() -> None:
    few, many = (estimate(10**9, limit, 500, 60) for limit in (100, 1000))
    assert few.seconds > 9 * many.seconds
    assert many.usd == pytest.approx(few.usd, rel=0.01)


def test_long_rows_make_more_ranges() -> None:
    assert estimate(10**6, 100, 50, 1300).ranges > 300
    assert estimate(10**6, 100, 50, 60).ranges == 20


def test_step_functions_runs_ten_thousand_children_at_most() -> None:
    at_limit, beyond = (estimate(10**9, limit, 500, 60) for limit in (10_001, 50_000))
    assert at_limit == beyond


@pytest.mark.parametrize("rate", ["0", "-1"])
def test_a_rate_that_is_none_is_refused(rate: str) -> None:
    with pytest.raises(SystemExit):
        main(["--rows-per-second", rate])
