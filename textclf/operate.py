"""Operate a deployed stack."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from operations.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient

    from operations.smoke import Answer

Positive = Parameter(validator=validators.Number(gt=0))


def live(stack: str, /, *, model: bool = False, image: bool = False) -> None:
    """Print the number of the version that serves; an empty line before the first deployment.

    ```
    textclf live text-classifier-prod
    ```

    Args:
        stack: The name of the stack.
        model: Print the URI of its model instead.
        image: Print the digest of its image instead.
    """
    from operations.alias import LiveAlias

    cloudformation, lambda_ = connect()
    deployed = Stack.find_deployed(cloudformation, stack)
    if not deployed:
        print()
        return
    alias = LiveAlias.read(lambda_, deployed.function)
    if model:
        print(alias.read_model(lambda_))
    elif image:
        print(alias.read_image(lambda_).rpartition("@")[2])
    else:
        print(alias.version)


def smoke(
    target: str, /, *, header: Annotated[str, Parameter(env_var="HEADER", show_default=False)] = ""
) -> None:
    """Classify a text with a deployed API and check the answer.

    The request is repeated for up to three minutes, because a new API takes a moment to answer,
    and one that was idle for weeks takes longer. Requests to a stack with `Access=iam` are signed.
    A stack must answer with the model of the version that serves. The exit code is 4 if the API
    refuses the caller, which does not mean that it is broken.

    ```
    textclf smoke text-classifier-dev
    HEADER="x-api-key: KEY" textclf smoke https://API_ID.execute-api.REGION.amazonaws.com
    ```

    Args:
        target: The name of a stack, or the URL of an API.
        header: A header to send, such as `x-api-key: KEY` or `authorization: Bearer TOKEN`.
            Prefer the environment variable: other users of the machine can see options.
    """
    from operations.smoke import check_api, parse_header

    headers = parse_header(header)
    if target.startswith(("https://", "http://")):
        answer = check_api(target, headers)
    else:
        answer = _check_stack(target, headers)
    print(f"{answer.predicted_label} ({answer.confidence:.0%}), {answer.model_version}")


def compare(
    stack: str,
    /,
    *,
    hours: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 24,
) -> None:
    """Compare the answers of the candidate with those of the deployed model.

    Shows the share of each label and the mean confidence, with 95 % intervals of the differences,
    for the hours in which both models answered. The stack needs `PredictionLog=on`, and each model
    at least 100 requests. The log does not know which answers are right: that is for
    `textclf head-to-head`.

    ```
    textclf compare text-classifier-prod --hours 72
    ```

    Args:
        stack: The name of the stack.
        hours: How many hours to look back.
    """
    from inference.prediction_log.sample import create_client
    from operations.compare import compare_answers

    cloudformation, lambda_ = connect()
    found = Stack.find(cloudformation, stack)
    print(compare_answers(lambda_, create_client(), found, hours, datetime.now(UTC)))


def rollback(
    stack: str,
    version: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None,
    /,
    *,
    finish: bool = False,
) -> None:
    """Serve an earlier version again.

    Without a version, undoes the last change: cancels a deployment in progress, or else ends the
    candidate, or else serves the previous version, which takes effect at once. Then the stack
    deploys the model and the image of that version anew, which takes some minutes, so that the next
    deployment starts from there. With `--finish`, does only that.

    ```
    textclf rollback text-classifier-prod
    textclf rollback text-classifier-prod 7
    ```

    Args:
        stack: The name of the stack.
        version: The number of the version to serve.
        finish: Finish a rollback that was interrupted.
    """
    from operations.rollback import finish_rollback, roll_back

    cloudformation, lambda_ = connect()
    found = Stack.find(cloudformation, stack)
    if not finish:
        number = str(version) if version else None
        print(roll_back(cloudformation, lambda_, found, number), flush=True)
    if sentence := finish_rollback(cloudformation, lambda_, found):
        print(sentence)


def cost(
    *,
    headline_ms: Annotated[float, Positive] = 4,
    memory: Annotated[int, Positive] = 1769,
) -> None:
    """Estimate what predictions cost on AWS, as Markdown tables.

    Take the duration of your own model from `make bench`. The default is more than
    twice what it measured for the shipped model (1.6 ms); Lambda may be slower than that machine.

    ```
    textclf cost --headline-ms 7 --memory 3008
    ```

    Args:
        headline_ms: Milliseconds for a request with one headline.
        memory: Memory of the function in MB; at 1769 it has one whole processor.
    """
    from operations.cost import (
        CONCURRENCY,
        LIST,
        ROWS,
        estimate_bulk_run,
        price_month,
        price_predictions,
    )

    one, many = (price_predictions(texts, headline_ms, memory) for texts in (1, LIST))
    _print_table(
        ["USD per million predictions", "one per request", f"{LIST} per request"],
        [[name, f"{one[name]:.3f}", f"{many[name]:.3f}"] for name in one],
    )
    _print_table(
        ["USD per month without requests", ""],
        [[name, f"{usd:.2f}"] for name, usd in price_month(memory).items()],
    )
    runs = [[estimate_bulk_run(rows, limit) for limit in CONCURRENCY] for rows in ROWS]
    _print_table(
        [
            "rows in a bulk run",
            *(f"minutes with `BulkConcurrency={limit}`" for limit in CONCURRENCY),
            "USD",
        ],
        [
            [f"{rows:,}", *(f"{seconds / 60:.0f}" for seconds, _ in run), f"{run[-1][1]:.2f}"]
            for rows, run in zip(ROWS, runs, strict=True)
        ],
    )


def connect() -> tuple["CloudFormationClient", "LambdaClient"]:
    """Return the clients that most commands need."""
    import boto3  # takes 0.1 s

    return boto3.client("cloudformation"), boto3.client("lambda")


def _check_stack(name: str, headers: dict[str, str]) -> "Answer":
    """Check the API of a stack, and that it answers with the model behind its alias."""
    import boto3

    from operations.alias import LiveAlias
    from operations.smoke import check_api, sign_with

    cloudformation, lambda_ = connect()
    stack = Stack.find(cloudformation, name)
    url = stack.require_output("Url", "has no API: its first deployment has not succeeded yet")
    models = LiveAlias.read(lambda_, stack.function).read_models(lambda_)
    signs = stack.parameters.get("Access") == "iam" and not headers
    return check_api(
        url,
        headers,
        sign=sign_with(boto3.Session()) if signs else None,
        expected={uri.rpartition("/")[2] for uri in models},
    )


def _print_table(header: list[str], rows: list[list[str]]) -> None:
    rule = ["---", *["---:"] * (len(header) - 1)]
    print("\n".join(f"| {' | '.join(row)} |" for row in [header, rule, *rows]), end="\n\n")
