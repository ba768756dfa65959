import pytest

from operations import cost
from operations.cost import LIST, estimate_bulk_run, price_month, price_predictions
from tests.cloudformation import DRIFT, RETRAINING, parameters, resources
from tests.conftest import SAMPLE_MODEL

TOTAL = "**in total**"


def test_predictions_are_metered_as_aws_does() -> None:
    # GIVEN requests with one text, billed for 100 ms each
    prices = price_predictions(1, 99.1, 1024)
    # THEN a million of them pay for compute, requests, logs, traces, answers and both writes
    logs, answers = (cost.LOG_BYTES[1] + cost.SERVICE_LOG_BYTES) / 1000, cost.ANSWER_BYTES[1] / 1000
    assert prices == pytest.approx(
        {
            "Lambda": 1e6 * (0.1 * cost.LAMBDA_GB_SECOND + cost.LAMBDA_REQUEST),
            "HTTP API": 1e6 * cost.HTTP_API_REQUEST,
            "logs": logs * cost.LOGS_INGESTED_GB,
            "traces of 5 % of the requests": 50_000 * cost.XRAY_TRACE,
            "data out": answers * cost.TRANSFER_OUT_GB,
            TOTAL: sum(list(prices.values())[:5]),
            "`PredictionLog=on` adds": 2e6 * cost.DYNAMODB_WRITE,
            "`Door=function-url` saves": 1.00,
            "`Door=cloudfront` adds": 0.60,
            "the same within CloudFront's free 10 million requests a month saves": 0.40,
            "a message in the `Queue` saves": 0.12,
        }
    )


def test_a_list_is_one_request_that_takes_longer() -> None:
    prices = price_predictions(LIST, 4, 1024)
    requests = 1e6 / LIST
    assert prices["HTTP API"] == pytest.approx(requests * cost.HTTP_API_REQUEST)
    seconds = requests * 0.004 * cost.LIST_TIME
    expected = seconds * cost.LAMBDA_GB_SECOND + requests * cost.LAMBDA_REQUEST
    assert prices["Lambda"] == pytest.approx(expected)


def test_memory_changes_the_price_of_lambda_and_nothing_else() -> None:
    usual, other = (price_predictions(1, 1000, memory) for memory in (1024, 2048))
    assert {name for name in usual if usual[name] != other[name]} == {"Lambda", TOTAL}
    compute = other["Lambda"] - 1e6 * cost.LAMBDA_REQUEST
    assert compute == pytest.approx(1e6 * 2 * cost.LAMBDA_GB_SECOND)


def test_the_numbers_of_alarms_are_those_of_the_template() -> None:
    def count(**parameters: str) -> int:
        """Count the metrics that alarms read, as AWS bills them."""
        alarms = resources("CloudWatch::Alarm", **parameters).values()
        metrics = [
            [one for one in each.get("Metrics", []) if "MetricStat" in one] for each in alarms
        ]
        return sum(len(each) or 1 for each in metrics)

    assert count() == cost.ALARMS
    assert count(PredictionLog="on") == cost.ALARMS + cost.LOG_ALARMS
    assert count(**DRIFT) == cost.ALARMS + cost.LOG_ALARMS + cost.DRIFT_ALARMS
    assert count(**RETRAINING) == cost.ALARMS + cost.RETRAINING_ALARMS
    assert count(BulkBucket="files") == cost.ALARMS + cost.BULK_ALARMS
    assert count(AvailabilityTarget="99.9") == cost.ALARMS + cost.TARGET_ALARMS
    composite = resources("CloudWatch::CompositeAlarm", AvailabilityTarget="99.9")
    assert len(composite) == cost.TARGET_COMPOSITE_ALARMS


def test_the_checks_cost_what_they_call() -> None:
    # GIVEN the schedule of the template, in a month of 730 hours
    function = resources("Lambda::Function")["LiveCheckFunction"]
    assert parameters()["CheckMinutes"]["Default"] == cost.CHECK_MINUTES
    assert function["MemorySize"] == cost.CHECK_MEMORY
    # THEN 8,760 checks pay for four calls each, one of them through the API
    compute = 0.5 * (256 + 1024) / 1024 * cost.LAMBDA_GB_SECOND
    calls = 4 * (cost.LAMBDA_REQUEST + cost.XRAY_TRACE) + cost.HTTP_API_REQUEST
    logs = 4 * cost.SERVICE_LOG_BYTES / 1e9 * cost.LOGS_INGESTED_GB
    assert cost.price_checks(1024) == pytest.approx(8760 * (compute + calls + logs))


def test_the_size_of_the_model_is_that_of_the_shipped_one() -> None:
    size = sum(file.stat().st_size for file in SAMPLE_MODEL.iterdir())
    assert size / 1e9 == pytest.approx(cost.MODEL_GB, rel=0.1)


def test_an_idle_month_costs_what_exists_without_requests() -> None:
    prices = price_month(1024)
    names = list(prices)
    idle = names[: names.index(TOTAL)]
    assert prices[TOTAL] == pytest.approx(sum(prices[name] for name in idle))
    assert prices["7 alarms"] == pytest.approx(7 * cost.ALARM_MONTH)


def test_a_provisioned_environment_costs_every_second_of_the_month() -> None:
    expected = 2 * 730 * 3600 * cost.PROVISIONED_GB_SECOND
    assert price_month(2048)["`ProvisionedConcurrency=1` adds"] == pytest.approx(expected)


def test_a_bulk_run_of_one_range_takes_what_its_steps_take() -> None:
    # GIVEN 6,400 rows: one range, planned in 0.02 s and scored in 10 s
    seconds, usd = estimate_bulk_run(6_400, 10)
    # THEN time and cost are those of the steps plus what every run needs
    work = 10 + 6_400 / cost.PLAN_ROWS_PER_SECOND + cost.START_SECONDS
    assert seconds == pytest.approx(work + cost.STEP_SECONDS)
    requests = cost.LAMBDA_REQUEST + 3 * cost.S3_GET + cost.S3_PUT + 2 * cost.STATE_TRANSITION
    assert usd == pytest.approx(work * 1769 / 1024 * cost.LAMBDA_GB_SECOND + requests)


def test_more_environments_take_less_time_for_about_the_same_money() -> None:
    (few_seconds, few_usd), (many_seconds, many_usd) = (
        estimate_bulk_run(10**9, limit) for limit in (100, 1000)
    )
    assert few_seconds > 9 * many_seconds
    assert many_usd == pytest.approx(few_usd, rel=0.01)
