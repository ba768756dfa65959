"""Let a second model answer a share of a deployed stack's requests."""

from typing import Annotated

from cyclopts import Parameter, validators

from operations.stack import Stack
from textclf.operate import connect


def start(
    stack: str,
    model_uri: str,
    percent: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=99))],
    /,
) -> None:
    """Send a share of the requests to another model.

    Lambda picks one of the two models at random for each request, and every answer says which
    model gave it. The model must be in the same store as the deployed one and have the same labels.
    Run the command again to change the share.

    ```
    textclf candidate start text-classifier-prod s3://BUCKET/PREFIX/VERSION 10
    textclf compare text-classifier-prod
    make promote ENV=prod
    ```

    Args:
        stack: The name of the stack.
        model_uri: The model to try.
        percent: Its share of the requests, from 1 to 99.
    """
    from operations.candidate import start_candidate

    cloudformation, lambda_ = connect()
    found = Stack.find(cloudformation, stack)
    version = start_candidate(lambda_, found, model_uri, percent)
    print(f"{stack}: {percent} % of the requests go to version {version} with {model_uri}")


def show(stack: str, /) -> None:
    """Print the model URI of the candidate.

    ```
    textclf candidate show text-classifier-prod
    ```

    Args:
        stack: The name of the stack.
    """
    from operations.candidate import find_candidate

    cloudformation, lambda_ = connect()
    print(find_candidate(lambda_, Stack.find(cloudformation, stack)))


def end(stack: str, /) -> None:
    """Let the deployed model answer every request again.

    A deployment needs this first: CodeDeploy cannot start while a candidate has a share. `make
    deploy` does it for you.

    ```
    textclf candidate end text-classifier-prod
    ```

    Args:
        stack: The name of the stack.
    """
    from operations.candidate import end_candidate

    cloudformation, lambda_ = connect()
    deployed = Stack.find_deployed(cloudformation, stack)
    print(end_candidate(lambda_, deployed) if deployed else f"{stack}: not deployed yet")
