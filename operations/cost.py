"""Estimate what predictions cost: AWS's list prices times what a stack uses.

An estimate, not a bill: taxes, the free tier and cold starts (some 0.5 s each) are left out.
The prices are in USD for us-east-1 on x86_64, first tier. They were written down on 2026-11-21 from
stored copies and quotations of the AWS pricing pages (Lambda on demand, DynamoDB writes, Step
Functions, CloudWatch) or from memory (the others): check them before you rely on one.
"""

import math
from typing import Final

from inference.tables.ranges import RANGE_ROWS

LAMBDA_GB_SECOND, PROVISIONED_GB_SECOND = 1.66667e-5, 4.1667e-6
LAMBDA_REQUEST: Final = 0.20 / 1e6
HTTP_API_REQUEST: Final = 1.00 / 1e6  # up to 512 KB; a longer one counts as several
# CloudFront's first 10 million requests and 1 TB of a month are free. What a function URL sends to
# it is, too.
CLOUDFRONT_REQUEST: Final = 1.00 / 1e6
WAF_ACL_MONTH, WAF_RULE_MONTH, WAF_REQUEST = 5.00, 1.00, 0.60 / 1e6
SQS_REQUEST: Final = 0.40 / 1e6  # up to 64 KB; the first million of a month is free
LOGS_INGESTED_GB: Final = 0.50
XRAY_TRACE: Final = 5.00 / 1e6
TRANSFER_OUT_GB: Final = 0.09
DYNAMODB_WRITE: Final = 0.625 / 1e6  # on demand, for an item of up to 1 KB
STATE_TRANSITION: Final = 0.025 / 1e3  # Step Functions, standard workflow
S3_GET, S3_PUT, S3_GB_MONTH = 0.0004 / 1e3, 0.005 / 1e3, 0.023
ECR_GB_MONTH: Final = 0.10
# An alarm costs as much for each metric that it reads; one that combines alarms has its own price.
ALARM_MONTH, COMPOSITE_ALARM_MONTH, DASHBOARD_MONTH, SECRET_MONTH = 0.10, 0.50, 3.00, 0.40
SNAPSHOT_GB_SECOND, SNAPSHOT_RESTORED_GB = 1.5046e-6, 1.397998e-4  # SnapStart for Python
METRIC_MONTH: Final = 0.30  # if it gets values in every hour
SAGEMAKER_ENDPOINT_HOUR: Final = 0.056  # one ml.t2.medium
HOURS_IN_MONTH: Final = 730

# A stack with the shipped model; tests compare most of these figures with the real ones.
# The metrics that alarms read: one for each alarm, but for retraining, bulk runs and burn rates.
ALARMS, LOG_ALARMS, DRIFT_ALARMS, RETRAINING_ALARMS, BULK_ALARMS = 7, 1, 2, 3, 2
QUEUE_ALARMS, QUEUE_REQUESTS = 1, 2.2  # a message is sent, its answer too, and ten received at once
TARGET_ALARMS, TARGET_COMPOSITE_ALARMS = 8, 2
CHECK_MINUTES, CHECK_CALLS = 5, 3  # a check calls the classifier this often, once through the API
CHECK_MEMORY, CHECK_SECONDS = 256, 0.5  # MB; at worst, each check waits for a cold start of 0.5 s
METRICS = 17  # 4 of them for labels
IMAGE_GB, MODEL_GB = 0.2, 0.016  # the image is compressed, and mostly AWS's base image
TRACED = 0.05  # of the requests; the first of each second adds at most 13 USD a month
LIST = 128  # texts in one request ...
# ... which takes as long as this many requests of one; `make bench` measured 372 and 4.4 ms.
LIST_TIME = 85
LOG_BYTES = {1: 750, LIST: 6_600}  # by the number of texts in a request
ANSWER_BYTES = {1: 270, LIST: 31_000}
SERVICE_LOG_BYTES = 700  # roughly; three lines by Lambda and one by API Gateway

# A bulk run.
ROWS = [10**exponent for exponent in range(6, 10)]
CONCURRENCY = (100, 1000)  # BulkConcurrency; an account has 1,000 until it asks for more
BULK_MEMORY = 1769  # MB
# In one environment: two thirds of what `textclf bulk` does on a core without AMX with the shipped
# model, twice what it does with a DistilBERT of 6 x 768. All estimates of bulk runs follow from it.
ROWS_PER_SECOND = 640
PLAN_ROWS_PER_SECOND = 333_333  # 20 MB of headlines of 60 bytes; measured: 22 MB of CSV
FILE_ROWS = 18_000_000  # in an input file of 1 GiB; files are planned at the same time
START_SECONDS, STEP_SECONDS = 5.0, 30.0  # to load the model; between the maps, billed by no Lambda
TRANSITIONS, GETS, PUTS = 2, 3, 1  # per range: its start and its task; its rows read, its part kept

Costs = dict[str, float]


def price_predictions(texts: int, headline_ms: float, memory: int) -> Costs:
    """Return the USD per million predictions, in requests of one or ``LIST`` texts."""
    requests = 1e6 / texts
    seconds = math.ceil(headline_ms if texts == 1 else headline_ms * LIST_TIME) / 1000
    log_gb = (LOG_BYTES[texts] + SERVICE_LOG_BYTES) / 1e9
    per_request = {
        "Lambda": seconds * memory / 1024 * LAMBDA_GB_SECOND + LAMBDA_REQUEST,
        "HTTP API": HTTP_API_REQUEST,
        "logs": log_gb * LOGS_INGESTED_GB,
        "traces of 5 % of the requests": TRACED * XRAY_TRACE,
        "data out": ANSWER_BYTES[texts] / 1e9 * TRANSFER_OUT_GB,
    }
    costs = {name: requests * usd for name, usd in per_request.items()}
    writes = 2e6 * DYNAMODB_WRITE  # the table and its index
    return costs | {
        "**in total**": sum(costs.values()),
        "`PredictionLog=on` adds": writes,
        "`Door=function-url` saves": requests * HTTP_API_REQUEST,
        "`Door=cloudfront` adds": requests * (CLOUDFRONT_REQUEST + WAF_REQUEST - HTTP_API_REQUEST),
        "the same within CloudFront's free 10 million requests a month saves": requests
        * (HTTP_API_REQUEST - WAF_REQUEST),
        "a message in the `Queue` saves": requests
        * (HTTP_API_REQUEST - QUEUE_REQUESTS * SQS_REQUEST),
    }


def price_month(memory: int) -> Costs:
    """Return the USD per month of a stack that gets no requests, then of its extras."""
    idle = {
        f"{ALARMS} alarms": ALARMS * ALARM_MONTH,
        f"checks every {CHECK_MINUTES} minutes": price_checks(memory),
        "image in ECR, model in S3": IMAGE_GB * ECR_GB_MONTH + MODEL_GB * S3_GB_MONTH,
    }
    warm_gb_seconds = HOURS_IN_MONTH * 3600 * memory / 1024
    return idle | {
        "**in total**": sum(idle.values()),
        "`Access=api-key` adds a secret": SECRET_MONTH,
        "`MetricsDashboard=on` adds, unless it is among the account's first three": DASHBOARD_MONTH,
        f"requests in every hour add {METRICS} metrics": METRICS * METRIC_MONTH,
        "`Door=cloudfront` adds a web ACL with a rule": WAF_ACL_MONTH + WAF_RULE_MONTH,
        "`Queue=on` adds an alarm": QUEUE_ALARMS * ALARM_MONTH,
        "`PredictionLog=on` adds an alarm": LOG_ALARMS * ALARM_MONTH,
        f"`DriftSchedule` adds {DRIFT_ALARMS} alarms": DRIFT_ALARMS * ALARM_MONTH,
        "`RetrainingBucket` adds an alarm": RETRAINING_ALARMS * ALARM_MONTH,
        "`BulkBucket` adds an alarm": BULK_ALARMS * ALARM_MONTH,
        "`AvailabilityTarget` adds burn-rate alarms": TARGET_ALARMS * ALARM_MONTH
        + TARGET_COMPOSITE_ALARMS * COMPOSITE_ALARM_MONTH,
        "`SnapStart=on` adds, for each version that is kept": warm_gb_seconds * SNAPSHOT_GB_SECOND,
        "`SnapStart=on` adds, for 1,000 cold starts": 1000 * memory / 1024 * SNAPSHOT_RESTORED_GB,
        "`ProvisionedConcurrency=1` adds": warm_gb_seconds * PROVISIONED_GB_SECOND,
        "one SageMaker `ml.t2.medium` real-time endpoint instead": (
            SAGEMAKER_ENDPOINT_HOUR * HOURS_IN_MONTH
        ),
    }


def price_checks(memory: int) -> float:
    """Return the USD per month of checking the live version and the API on schedule."""
    gb_seconds = CHECK_SECONDS * (CHECK_MEMORY + memory) / 1024
    calls = CHECK_CALLS + 1  # and the function that checks
    once = gb_seconds * LAMBDA_GB_SECOND + calls * (LAMBDA_REQUEST + XRAY_TRACE)
    once += HTTP_API_REQUEST + calls * SERVICE_LOG_BYTES / 1e9 * LOGS_INGESTED_GB
    return HOURS_IN_MONTH * 60 / CHECK_MINUTES * once


def estimate_bulk_run(rows: int, concurrency: int) -> tuple[float, float]:
    """Return the seconds and USD of scoring files, with one environment left for other steps."""
    ranges = math.ceil(rows / RANGE_ROWS)
    environments = min(concurrency - 1, ranges)
    planning, scoring = (min(rows, most) for most in (FILE_ROWS, RANGE_ROWS))
    seconds = STEP_SECONDS + START_SECONDS + planning / PLAN_ROWS_PER_SECOND
    seconds += math.ceil(ranges / environments) * scoring / ROWS_PER_SECOND
    billed = rows / PLAN_ROWS_PER_SECOND + rows / ROWS_PER_SECOND + environments * START_SECONDS
    per_range = LAMBDA_REQUEST + TRANSITIONS * STATE_TRANSITION + GETS * S3_GET + PUTS * S3_PUT
    return seconds, billed * BULK_MEMORY / 1024 * LAMBDA_GB_SECOND + ranges * per_range
