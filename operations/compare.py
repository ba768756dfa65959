"""Whether two models that answer side by side answer differently, from the prediction log.

    python -m operations.compare text-classifier-prod        # the last 24 hours
    python -m operations.compare text-classifier-prod 72

Lambda sends each request to one of them by chance, so a difference in what they answer is the
models' own. Requests are independent, the texts of one list are not: variances are those of a
ratio estimator over requests (Cochran, Sampling Techniques, 1977, section 6.3), and the interval
of a difference of shares is Newcombe's (1998, method 10,
https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C873::AID-SIM779%3E3.0.CO;2-I) for as many
independent texts as say as much.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import boto3
import numpy as np
from botocore.exceptions import BotoCoreError, ClientError
from numpy.typing import NDArray

from inference.predictions.sample import Logged, client, sample
from operations.stack import ALIAS, DeliveryError, Stack, candidate_of

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient

LEVEL = 0.95
POWER = 0.8
MIN_REQUESTS = 100  # of each model: with fewer, variances are guesses
MAX_TEXTS = 50_000  # of each model


@dataclass(frozen=True)
class Mean:
    """The mean of a value of each text, and the variance of that mean."""

    value: float
    variance: float
    requests: int

    @classmethod
    def of(cls, values: Sequence[float], requests: NDArray[np.int64]) -> "Mean":
        """The mean over texts, from the request (numbered from 0) that each came in."""
        totals, sizes = np.bincount(requests, values), np.bincount(requests)
        value = float(totals.sum() / sizes.sum())
        residuals = totals - value * sizes
        count = len(sizes)
        variance = float((residuals**2).sum() / sizes.sum() ** 2 * count / (count - 1))
        return cls(value, variance, count)

    def wilson(self, z: float) -> tuple[float, float]:
        """Wilson's interval of a share, for as many independent texts as say as much."""
        share = self.value
        # Of a share of 0 or 1 there is no variance to go by.
        size = share * (1 - share) / self.variance if self.variance else self.requests
        middle = (share + z * z / (2 * size)) / (1 + z * z / size)
        half = z / (1 + z * z / size) * sqrt(share * (1 - share) / size + (z / (2 * size)) ** 2)
        return middle - half, middle + half


@dataclass(frozen=True)
class Difference:
    """A candidate's mean less the deployed model's."""

    name: str
    deployed: Mean
    candidate: Mean
    is_share: bool = True

    @property
    def value(self) -> float:
        """Of the candidate, less that of the deployed model."""
        return self.candidate.value - self.deployed.value

    def interval(self, level: float) -> tuple[float, float]:
        """Where the true difference lies; for means that are no shares, Wald's interval."""
        z = z_of(level)
        if not self.is_share:
            half = z * sqrt(self.deployed.variance + self.candidate.variance)
            return self.value - half, self.value + half
        low, high = self.deployed.wilson(z)
        own_low, own_high = self.candidate.wilson(z)
        below = sqrt((self.candidate.value - own_low) ** 2 + (high - self.deployed.value) ** 2)
        above = sqrt((own_high - self.candidate.value) ** 2 + (self.deployed.value - low) ** 2)
        return self.value - below, self.value + above

    def visible(self, level: float) -> float:
        """The least true difference that such samples show with the probability POWER."""
        spread = sqrt(self.deployed.variance + self.candidate.variance)
        return (z_of(level) + NormalDist().inv_cdf(POWER)) * spread


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and print; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m operations.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stack")
    parser.add_argument("hours", type=int, nargs="?", default=24, help="to look back (default: 24)")
    options = parser.parse_args(arguments)
    clients = boto3.client("cloudformation"), boto3.client("lambda"), client()
    try:
        print(compare(*clients, options.stack, options.hours, datetime.now(UTC)))
    except (DeliveryError, BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def compare(
    cloudformation: "CloudFormationClient",
    lambda_: "LambdaClient",
    dynamodb: "DynamoDBClient",
    name: str,
    hours: int,
    now: datetime,
) -> str:
    """A report on the candidate next to the model that serves, of the hours that they shared.

    Of an hour without a candidate there is nothing to compare: what is asked changes in a day.

    Raises:
        DeliveryError: there is no candidate or no log, or too little was asked of one of them.
    """
    stack = Stack.find(cloudformation, name)
    if "PredictionTable" not in stack.outputs:
        raise DeliveryError(f"{name} has no prediction log: deploy it with PredictionLog=on")
    alias = lambda_.get_alias(FunctionName=stack.function, Name=ALIAS)
    candidate = candidate_of(alias)
    if not candidate:
        raise DeliveryError(f"{name} has no candidate: see make candidate")
    numbers = alias["FunctionVersion"], candidate[0]
    serving, other = (
        lambda_.get_function_configuration(FunctionName=stack.function, Qualifier=number)
        for number in numbers
    )
    hours = min(hours, whole_hours_since(other["LastModified"], now))
    table = stack.outputs["PredictionTable"]
    version, other_version = (
        one["Environment"]["Variables"]["MODEL_URI"].rpartition("/")[2] for one in (serving, other)
    )
    return report(
        version,
        other_version,
        sample(dynamodb, table, version, hours, now, MAX_TEXTS),
        sample(dynamodb, table, other_version, hours, now, MAX_TEXTS),
    )


def whole_hours_since(started: str, now: datetime) -> int:
    """The hours of the clock between that of an ISO 8601 time and that of ``now``; 0 if none."""
    hour = datetime.fromisoformat(started).replace(minute=0, second=0, microsecond=0)
    return max(0, (now - hour) // timedelta(hours=1) - 1)


def report(
    deployed: str, candidate: str, log: Sequence[Logged], candidate_log: Sequence[Logged]
) -> str:
    """Both models' answers side by side, and in a sentence whether they differ.

    Raises:
        DeliveryError: one of them has answered too few requests.
    """
    lines = []
    for version, texts in ((deployed, log), (candidate, candidate_log)):
        requests = len({text.request_id for text in texts})
        if requests < MIN_REQUESTS:
            raise DeliveryError(f"{version} has answered {requests} requests of {MIN_REQUESTS}")
        lines.append(f"{version}: {len(texts):,} texts in {requests:,} requests")
    found = differences(log, candidate_log)
    lines += ["", f"| share of | {deployed} | {candidate} | difference (95 % interval) |"]
    lines += ["|---|---:|---:|---:|", *map(_row, found), "", _verdict(found)]
    lines.append(
        "The log does not know which answers are right; on held-out texts, "
        "`python -m inference.model.publish --compare` does."
    )
    return "\n".join(lines)


def differences(log: Sequence[Logged], candidate_log: Sequence[Logged]) -> list[Difference]:
    """Of the share of each label that either model gave, and of the mean confidence."""
    logs = [(texts, requests_of(texts)) for texts in (log, candidate_log)]
    found = []
    for label in sorted({text.label for text in (*log, *candidate_log)}):
        old, new = (Mean.of([float(t.label == label) for t in texts], of) for texts, of in logs)
        found.append(Difference(label, old, new))
    old, new = (Mean.of([text.confidence for text in texts], of) for texts, of in logs)
    return [*found, Difference("(mean confidence)", old, new, is_share=False)]


def requests_of(texts: Sequence[Logged]) -> NDArray[np.int64]:
    """The number of the request that each text came in, from 0; shape (texts,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(text.request_id, len(numbers)) for text in texts])


def z_of(level: float) -> float:
    """How many standard deviations to each side hold this share of a normal distribution."""
    return NormalDist().inv_cdf((1 + level) / 2)


def _row(one: Difference) -> str:
    low, high = one.interval(LEVEL)
    return (
        f"| {one.name} | {one.deployed.value:.2%} | {one.candidate.value:.2%} "
        f"| {one.value:+.2%} ({low:+.2%} to {high:+.2%}) |"
    )


def _verdict(found: Sequence[Difference]) -> str:
    # Bonferroni: of so many intervals, one in twenty would else miss 0 for nothing.
    level = 1 - (1 - LEVEL) / len(found)
    differ = [one.name for one in found if one.interval(level)[0] > 0 or one.interval(level)[1] < 0]
    seen = max(one.visible(level) for one in found)
    power = f"samples of this size show a difference of {seen:.2%} four times in five"
    if differ:
        return f"They differ in {', '.join(differ)} (95 % sure of all at once); {power}."
    return f"No difference is seen; {power}."


if __name__ == "__main__":
    sys.exit(main())
