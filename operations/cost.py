"""Estimate what predictions cost.

An estimate, not a bill: taxes, the free tier and cold starts (some 0.5 s each) are left out.
The prices are AWS's list prices in USD for us-east-1, first tier. They were written down on
2026-11-21 from stored copies and quotations of the AWS pricing pages (Lambda on demand, DynamoDB
writes, Step Functions, CloudWatch) or from memory (the others): check them before you rely on one.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

from inference.tables.ranges import RANGE_ROWS

Architecture = Literal["x86_64", "arm64"]

LAMBDA_GB_SECOND: Final[dict[Architecture, float]] = {"x86_64": 1.66667e-5, "arm64": 1.33334e-5}
PROVISIONED_GB_SECOND: Final[dict[Architecture, float]] = {"x86_64": 4.1667e-6, "arm64": 3.3334e-6}
LAMBDA_REQUEST: Final = 0.20 / 1e6
HTTP_API_REQUEST: Final = 1.00 / 1e6  # up to 512 KB; a longer one counts as several
LOGS_INGESTED_GB: Final = 0.50
XRAY_TRACE: Final = 5.00 / 1e6
TRANSFER_OUT_GB: Final = 0.09
DYNAMODB_WRITE: Final = 0.625 / 1e6  # on demand, for an item of up to 1 KB
STATE_TRANSITION: Final = 0.025 / 1e3  # Step Functions, standard workflow
S3_GET: Final = 0.0004 / 1e3
S3_PUT: Final = 0.005 / 1e3
S3_GB_MONTH: Final = 0.023
ECR_GB_MONTH: Final = 0.10
ALARM_MONTH: Final = 0.10
DASHBOARD_MONTH: Final = 3.00
METRIC_MONTH: Final = 0.30  # if it gets values in every hour
SECRET_MONTH: Final = 0.40
SAGEMAKER_ENDPOINT_HOUR: Final = 0.056  # one ml.t2.medium
HOURS_IN_MONTH: Final = 730
TOTAL: Final = "**in total**"

# A stack with the shipped model; tests compare most of these figures with the real ones.
ALARMS, DRIFT_ALARMS, RETRAINING_ALARMS = 6, 2, 1
METRICS = 17  # 4 of them for labels
IMAGE_GB, MODEL_GB = 0.2, 0.016  # the image is compressed, and mostly AWS's base image
TRACED = 0.05  # of the requests; the first of each second adds at most 13 USD a month
LIST = 128  # texts in one request
LOG_BYTES = {1: 1_100, LIST: 7_500}  # by the number of texts in a request
ANSWER_BYTES = {1: 270, LIST: 29_000}
SERVICE_LOG_BYTES = 700  # roughly; three lines by Lambda and one by API Gateway

# Bulk runs
ROWS = [10**exponent for exponent in range(4, 10)]
ROW_BYTES = 60  # like the headlines
CONCURRENCY = (100, 1000)  # BulkConcurrency; an account has 1,000 until it asks for more
MAX_CHILDREN = 10_000  # of a map at once, a limit of Step Functions
FILE_BYTES = 1 << 30  # of each input file
PLAN_BYTES_PER_SECOND = 20e6  # per file; measured: 22 MB of CSV
START_SECONDS = 5.0  # for an environment to start and load the model
OVERHEAD_SECONDS = 30.0  # for the steps between the maps, and for the children to start
TRANSITIONS = 2  # per child: its start and its task
GETS, PUTS = 3, 1  # per range: does its part exist, its first row, its rows; write the part


@dataclass(frozen=True)
class Function:
    """The size of a function."""

    memory: int = 1769  # MB; buys one processor
    architecture: Architecture = "x86_64"

    def cost(self, seconds: float, price: dict[Architecture, float] = LAMBDA_GB_SECOND) -> float:
        """Return the price of some seconds in USD."""
        return seconds * self.memory / 1024 * price[self.architecture]


def price_predictions(texts: int, ms: float, function: Function) -> dict[str, float]:
    """Return the USD per million predictions, in requests of ``texts`` that take ``ms`` each."""
    requests = 1e6 / texts
    log_gb = requests * (LOG_BYTES[texts] + SERVICE_LOG_BYTES) / 1e9
    seconds = requests * math.ceil(ms) / 1000  # Lambda rounds up
    costs = {
        "Lambda": function.cost(seconds) + requests * LAMBDA_REQUEST,
        "HTTP API": requests * HTTP_API_REQUEST,
        "logs": log_gb * LOGS_INGESTED_GB,
        "traces of 5 % of the requests": requests * TRACED * XRAY_TRACE,
        "data out": requests * ANSWER_BYTES[texts] / 1e9 * TRANSFER_OUT_GB,
    }
    total = sum(costs.values())
    writes = 2e6 * DYNAMODB_WRITE  # the table and its index
    return costs | {TOTAL: total, "`PredictionLog=on` adds": writes}


def price_month(function: Function, usd_per_million: float) -> dict[str, float]:
    """Return the USD per month of a stack that gets no requests, then of its extras."""
    idle = {
        "dashboard": DASHBOARD_MONTH,
        f"{ALARMS} alarms": ALARMS * ALARM_MONTH,
        "image in ECR, model in S3": IMAGE_GB * ECR_GB_MONTH + MODEL_GB * S3_GB_MONTH,
    }
    endpoint = SAGEMAKER_ENDPOINT_HOUR * HOURS_IN_MONTH
    equal = f"(as much as {endpoint / usd_per_million:.0f} million single predictions)"
    return {
        **idle,
        TOTAL: sum(idle.values()),
        "`Access=api-key` adds a secret": SECRET_MONTH,
        f"requests in every hour add {METRICS} metrics": METRICS * METRIC_MONTH,
        f"`DriftSchedule` adds {DRIFT_ALARMS} alarms": DRIFT_ALARMS * ALARM_MONTH,
        "`RetrainingBucket` adds an alarm": RETRAINING_ALARMS * ALARM_MONTH,
        "`ProvisionedConcurrency=1` adds": function.cost(
            3600 * HOURS_IN_MONTH, PROVISIONED_GB_SECOND
        ),
        f"one SageMaker `ml.t2.medium` endpoint instead {equal}": endpoint,
    }


def estimate_bulk_run(rows: int, concurrency: int, rows_per_second: float) -> tuple[float, float]:
    """Return the seconds and USD of scoring files, at the speed of one worker."""
    workers = min(concurrency - 1, MAX_CHILDREN)
    files = math.ceil(rows * ROW_BYTES / FILE_BYTES)
    ranges = max(files, math.ceil(rows / RANGE_ROWS))
    planning, scoring = rows * ROW_BYTES / PLAN_BYTES_PER_SECOND, rows / rows_per_second
    seconds = OVERHEAD_SECONDS + START_SECONDS
    seconds += math.ceil(files / workers) * planning / files
    seconds += math.ceil(ranges / workers) * scoring / ranges
    usd = Function().cost(planning + scoring + min(workers, ranges) * START_SECONDS)
    usd += (files + ranges) * (LAMBDA_REQUEST + TRANSITIONS * STATE_TRANSITION)
    return seconds, usd + ranges * (GETS * S3_GET + PUTS * S3_PUT)
