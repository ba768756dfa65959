"""Compare the live answers of a candidate with those of the deployed model."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from inference.aws import find_model_in
from inference.prediction_log.sample import sample
from inference.prediction_log.table import LoggedPrediction
from operations.alias import LiveAlias
from operations.candidate import require_candidate
from operations.differences import Difference, estimate_differences
from operations.stack import Stack, StackError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient

LEVEL = 0.95
MIN_REQUESTS = 100  # per model: with fewer, the variances are guesses
MAX_TEXTS = 50_000  # per model


@dataclass(frozen=True)
class Answers:
    """A sample of what a model answered."""

    version: str  # of the bundle
    texts: Sequence[LoggedPrediction]

    @property
    def requests(self) -> int:
        """The number of requests that the texts came in."""
        return len({text.request_id for text in self.texts})


def compare_answers(
    lambda_: "LambdaClient", dynamodb: "DynamoDBClient", stack: Stack, hours: int, now: datetime
) -> str:
    """Compare the two models by the prediction log of the hours in which both answered.

    Earlier hours are left out, because people ask about different things in the course of a day.
    A candidate that was ended and started again may still have its version, and then counts from
    its first start.

    Args:
        lambda_: The client.
        dynamodb: The client.
        stack: A stack with a candidate.
        hours: How far to look back.
        now: The current time (UTC).

    Returns:
        The report, in Markdown.

    Raises:
        StackError: The stack has no candidate or no log, or a model answered too few requests.
    """
    table = stack.require_output(
        "PredictionTable", "has no prediction log: deploy it with PredictionLog=on"
    )
    alias = LiveAlias.read(lambda_, stack.function)
    deployed, candidate = (
        lambda_.get_function_configuration(FunctionName=stack.function, Qualifier=version)
        for version in (alias.version, require_candidate(alias, stack.name))
    )
    hours = min(hours, count_whole_hours(candidate["LastModified"], now))
    bundles = [
        find_model_in(configuration).rpartition("/")[2] for configuration in (deployed, candidate)
    ]
    return report(
        *(
            Answers(bundle, sample(dynamodb, table, bundle, hours, now, MAX_TEXTS))
            for bundle in bundles
        )
    )


def count_whole_hours(start: str, now: datetime) -> int:
    """Count the full clock hours between an ISO 8601 time and the current hour."""
    hour = datetime.fromisoformat(start).replace(minute=0, second=0, microsecond=0)
    return max(0, (now - hour) // timedelta(hours=1) - 1)


def report(deployed: Answers, candidate: Answers) -> str:
    """Show the answers of both models in a table, and say whether they differ.

    Raises:
        StackError: A model answered too few requests.
    """
    lines = []
    for answers in (deployed, candidate):
        if answers.requests < MIN_REQUESTS:
            raise StackError(
                f"{answers.version} has answered {answers.requests} requests: "
                f"at least {MIN_REQUESTS} are needed"
            )
        lines.append(
            f"{answers.version}: {len(answers.texts):,} texts in {answers.requests:,} requests"
        )
    differences = estimate_differences(deployed.texts, candidate.texts)
    return "\n".join(
        [
            *lines,
            "",
            f"| share of | {deployed.version} | {candidate.version} | difference (95 % interval) |",
            "|---|---:|---:|---:|",
            *map(_row, differences),
            "",
            _verdict(differences),
            "The log cannot tell which answers are right: `textclf head-to-head` compares both "
            "models on held-out texts.",
        ]
    )


def _row(difference: Difference) -> str:
    low, high = difference.interval(LEVEL)
    return (
        f"| {difference.name} "
        f"| {difference.deployed.value:.2%} | {difference.candidate.value:.2%} "
        f"| {difference.value:+.2%} ({low:+.2%} to {high:+.2%}) |"
    )


def _verdict(differences: Sequence[Difference]) -> str:
    # Bonferroni's correction, because one 95 % interval in twenty excludes 0 by chance.
    level = 1 - (1 - LEVEL) / len(differences)
    significant = [each.name for each in differences if each.is_significant(level)]
    detectable = max(each.detectable(level) for each in differences)
    power = f"Samples of this size reveal a difference of {detectable:.2%} four times in five."
    if significant:
        return f"They differ in {', '.join(significant)} (95 % confidence overall). {power}"
    return f"No difference is visible. {power}"
