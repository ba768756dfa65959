import pytest

from operations import cost
from operations.cost import Function, estimate_bulk_run, price_month, price_predictions
from tests.cloudformation import DRIFT, RETRAINING, deployed
from tests.conftest import SAMPLE_MODEL

GIGABYTE = Function(memory=1024, architecture="x86_64")


def test_predictions_are_metered_as_aws_does() -> None:
    # GIVEN requests with one text, billed for 100 ms each
    prices = price_predictions(1, 99.1, GIGABYTE)
    # THEN a million of them pay for compute, requests, logs, traces, answers and both writes
    logs, answers = (cost.LOG_BYTES[1] + cost.SERVICE_LOG_BYTES) / 1000, cost.ANSWER_BYTES[1] / 1000
    assert prices == pytest.approx(
        {
            "Lambda": 1e6 * (0.1 * cost.LAMBDA_GB_SECOND["x86_64"] + cost.LAMBDA_REQUEST),
            "HTTP API": 1e6 * cost.HTTP_API_REQUEST,
            "logs": logs * cost.LOGS_INGESTED_GB,
            "traces of 5 % of the requests": 50_000 * cost.XRAY_TRACE,
            "data out": answers * cost.TRANSFER_OUT_GB,
            cost.TOTAL: sum(list(prices.values())[:5]),
            "`PredictionLog=on` adds": 2e6 * cost.DYNAMODB_WRITE,
        }
    )


def test_a_list_is_one_request() -> None:
    prices = price_predictions(128, 131, GIGABYTE)
    assert prices["HTTP API"] == pytest.approx(1e6 / 128 * cost.HTTP_API_REQUEST)


def test_memory_and_architecture_change_the_price_of_lambda_and_nothing_else() -> None:
    usual = price_predictions(1, 1000, GIGABYTE)
    other = price_predictions(1, 1000, Function(memory=2048, architecture="arm64"))
    assert {name for name in usual if usual[name] != other[name]} == {"Lambda", cost.TOTAL}
    compute = other["Lambda"] - 1e6 * cost.LAMBDA_REQUEST
    assert compute == pytest.approx(1e6 * 2 * cost.LAMBDA_GB_SECOND["arm64"])


def test_the_numbers_of_alarms_are_those_of_the_template() -> None:
    def count(**parameters: str) -> int:
        resources = deployed(**parameters)["Resources"].values()
        return sum(each["Type"] == "AWS::CloudWatch::Alarm" for each in resources)

    assert count() == cost.ALARMS
    assert count(**DRIFT) == cost.ALARMS + cost.DRIFT_ALARMS
    assert count(**RETRAINING) == cost.ALARMS + cost.RETRAINING_ALARMS


def test_the_size_of_the_model_is_that_of_the_shipped_one() -> None:
    size = sum(file.stat().st_size for file in SAMPLE_MODEL.iterdir())
    assert size / 1e9 == pytest.approx(cost.MODEL_GB, rel=0.1)


def test_an_idle_month_costs_what_exists_without_requests() -> None:
    prices = price_month(GIGABYTE, usd_per_million=2)
    names = list(prices)
    idle = names[: names.index(cost.TOTAL)]
    assert prices[cost.TOTAL] == pytest.approx(sum(prices[name] for name in idle))
    assert prices["6 alarms"] == pytest.approx(6 * cost.ALARM_MONTH)


def test_a_provisioned_environment_costs_every_second_of_the_month() -> None:
    seconds = 730 * 3600
    prices = price_month(GIGABYTE, usd_per_million=2)
    expected = seconds * cost.PROVISIONED_GB_SECOND["x86_64"]
    assert prices["`ProvisionedConcurrency=1` adds"] == pytest.approx(expected)


def test_a_bulk_run_of_one_range_takes_what_its_steps_take() -> None:
    # GIVEN 10,000 rows at 100 a second: one file, planned in 0.03 s and scored in 100 s
    seconds, usd = estimate_bulk_run(10_000, 10, 100)
    # THEN time and cost are those of the steps plus what every run needs
    assert seconds == pytest.approx(100.03 + cost.OVERHEAD_SECONDS + cost.START_SECONDS)
    work = (100.03 + cost.START_SECONDS) * 1769 / 1024 * cost.LAMBDA_GB_SECOND["x86_64"]
    requests = 2 * cost.LAMBDA_REQUEST + 3 * cost.S3_GET + cost.S3_PUT
    assert usd == pytest.approx(work + requests + 4 * cost.STATE_TRANSITION)


def test_more_workers_take_less_time_for_about_the_same_money() -> None:
    (few_seconds, few_usd), (many_seconds, many_usd) = (
        estimate_bulk_run(10**9, workers, 500) for workers in (100, 1000)
    )
    assert few_seconds > 9 * many_seconds
    assert many_usd == pytest.approx(few_usd, rel=0.01)


def test_step_functions_runs_at_most_ten_thousand_children_at_once() -> None:
    assert estimate_bulk_run(10**9, 10_001, 500) == estimate_bulk_run(10**9, 50_000, 500)
