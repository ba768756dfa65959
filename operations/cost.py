"""What predictions cost, and what a month costs in which nobody asks.

    python -m operations.cost                              # the tables in README.md
    python -m operations.cost --headline-ms 7 --list-ms 290 --architecture arm64

The default durations are of the handler with the shipped model, for a headline of 16 tokens and
a list of 128, in the slow hours of a 2-core cloud machine; `make bench` there has since shown half
of that. They are rounded up as Lambda does. Prices: delivery/prices.py. Taxes, the free tier and
cold starts (some 0.5 s each) are left out.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from operations import prices

MILLION = 1_000_000
LIST = 128
ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "template.yaml"
BUNDLE = ROOT / "data" / "sample-model"
IMAGE_GB = 0.2  # compressed; most of it is AWS's base image
TRACED = 0.05  # of the requests; and the first of each second, up to 13 USD a month
METRICS = 17  # the function's, of which 4 are of labels, and API Gateway's of POST /predict
# By texts in a request, with the shipped model
LOG_BYTES = {1: 1_100, LIST: 7_500}
ANSWER_BYTES = {1: 270, LIST: 29_000}
SERVICE_LOG_BYTES = 700  # of Lambda's own three lines and API Gateway's one, about


@dataclass(frozen=True)
class Request:
    """One call of POST /predict, as Lambda and API Gateway meter it.

    Attributes:
        texts: in one request.
        milliseconds: that Lambda bills.
        log_bytes: that the function itself writes.
        answer_bytes: that go out.
    """

    texts: int
    milliseconds: float
    log_bytes: int
    answer_bytes: int


@dataclass(frozen=True)
class Function:
    """What the function runs on."""

    memory: int
    architecture: str

    def cost(self, seconds: float, gb_second: dict[str, float]) -> float:
        """USD of so many seconds at the price of a GB-second by architecture."""
        return seconds * self.memory / 1024 * gb_second[self.architecture]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m operations.cost",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--headline-ms", type=float, default=4, help="that a headline takes")
    parser.add_argument("--list-ms", type=float, default=131, help=f"that {LIST} of them take")
    parser.add_argument("--memory", type=int, default=1769, help="MB of the function")
    parser.add_argument("--architecture", choices=prices.LAMBDA_GB_SECOND, default="x86_64")
    options = parser.parse_args(arguments)
    function = Function(options.memory, options.architecture)
    one = Request(1, options.headline_ms, LOG_BYTES[1], ANSWER_BYTES[1])
    many = Request(LIST, options.list_ms, LOG_BYTES[LIST], ANSWER_BYTES[LIST])
    print(f"At {function.memory} MB on {function.architecture}, {prices.REGION}:\n")
    show_predictions(one, many, function)
    print()
    show_month(function, sum(per_million(one, function).values()))


def per_million(
    request: Request,
    function: Function,
    gb_second: dict[str, float] = prices.LAMBDA_GB_SECOND,
) -> dict[str, float]:
    """USD of a million predictions, by what costs them."""
    requests = MILLION / request.texts
    seconds = requests * math.ceil(request.milliseconds) / 1000
    logs = requests * (request.log_bytes + SERVICE_LOG_BYTES) / 1e9
    compute = function.cost(seconds, gb_second)
    return {
        "Lambda": compute + requests * prices.LAMBDA_REQUEST,
        "HTTP API": requests * prices.HTTP_API_REQUEST,
        "logs": logs * prices.LOGS_INGESTED_GB,
        "traces of 5 % of the requests": requests * TRACED * prices.XRAY_TRACE,
        "data out": requests * request.answer_bytes / 1e9 * prices.TRANSFER_OUT_GB,
    }


def show_predictions(one: Request, many: Request, function: Function) -> None:
    """Print what a million predictions cost, asked for one by one and in lists."""
    each = [per_million(request, function) for request in (one, many)]
    print(f"| USD per million predictions | one a request | {LIST} a request |")
    print("|---|---:|---:|")
    for name in each[0]:
        row(name, *(costs[name] for costs in each))
    row("**in all**", *(sum(costs.values()) for costs in each))
    cheaper = prices.LAMBDA_WORK_IN_PROVISIONED_GB_SECOND
    provisioned = [per_million(request, function, cheaper) for request in (one, many)]
    row("in provisioned environments", *(sum(costs.values()) for costs in provisioned))
    logged = MILLION * 2 * prices.DYNAMODB_WRITE  # into the table and into its index
    row("more with `PredictionLog=on`", logged, logged)


def show_month(function: Function, per_million_headlines: float) -> None:
    """Print what a month costs, whether anybody asks or not, and what the usual way costs."""
    template, alarm = TEMPLATE.read_text(), "Type: AWS::CloudWatch::Alarm\n"
    drift = template.count(f"{alarm}    Condition: HasDrift\n")
    retraining = template.count(f"{alarm}    Condition: HasRetraining\n")
    alarms = template.count(alarm) - drift - retraining
    model = sum(file.stat().st_size for file in BUNDLE.iterdir()) / 1e9
    idle = {
        "dashboard": prices.DASHBOARD_MONTH,
        f"{alarms} alarms": alarms * prices.ALARM_MONTH,
        "an image in ECR": IMAGE_GB * prices.ECR_GB_MONTH,
        "a model in S3": model * prices.S3_GB_MONTH,
    }
    seconds = 3600 * prices.HOURS_IN_MONTH
    provisioned = function.cost(seconds, prices.LAMBDA_PROVISIONED_GB_SECOND)
    print("| USD a month | |")
    print("|---|---:|")
    for name, cost in idle.items():
        row(name, cost)
    row("**in all, if nobody asks**", sum(idle.values()))
    row("more with `Access=api-key`: a secret", prices.SECRET_MONTH)
    row(f"more if asked in every hour: {METRICS} metrics", METRICS * prices.CUSTOM_METRIC_MONTH)
    row(f"more with `DriftSchedule`: {drift} alarms", drift * prices.ALARM_MONTH)
    row("more with `RetrainingBucket`: an alarm", retraining * prices.ALARM_MONTH)
    row("more with `ProvisionedConcurrency=1`", provisioned)
    for instance, hourly in prices.SAGEMAKER_ENDPOINT_HOUR.items():
        monthly = hourly * prices.HOURS_IN_MONTH
        equal = monthly / per_million_headlines
        row(f"instead: SageMaker, one `{instance}`, as {equal:.0f} million headlines", monthly)


def row(name: str, *usd: float) -> None:
    """Print a row of a table."""
    print(f"| {name} | {' | '.join(f'{one:.3f}' for one in usd)} |")


if __name__ == "__main__":
    main()
