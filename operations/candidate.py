"""Let a second model answer a share of a deployed stack's requests.

    python -m operations.candidate start text-classifier-prod s3://BUCKET/PREFIX/VERSION 10
    python -m operations.candidate show text-classifier-prod    # prints its model URI
    python -m operations.candidate end text-classifier-prod     # the deployed model answers all

``start`` publishes a version of the function with the other model and gives the configuration
back to what CloudFormation left. Started again, with another weight or after it was killed, it
comes to the same: what was deployed is read from the stack, not from the function.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from inference.model.store import StoreError, fetch_manifest
from operations.stack import ALIAS, DeliveryError, Stack, candidate_of, serve_only

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient

DESCRIPTION = "candidate"  # of the versions made here, which no rollback goes back to
# Lambda publishes no version that is as the last one, and CloudFormation takes that for a
# failure: a candidate that is then deployed, code and all, must differ from what is deployed.
MARK = "MODEL_CANDIDATE"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m operations.candidate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("start", "show", "end"):
        commands.add_parser(name).add_argument("stack")
    commands.choices["start"].add_argument("model_uri")
    commands.choices["start"].add_argument("weight", type=int, help="1 to 99 (%% of requests)")
    options = parser.parse_args(arguments)
    clients = boto3.client("cloudformation"), boto3.client("lambda")
    try:
        if options.command == "start":
            print(start(*clients, options.stack, options.model_uri, options.weight))
        elif options.command == "show":
            print(show(*clients, options.stack))
        else:
            print(end(*clients, options.stack))
    except (DeliveryError, StoreError, BotoCoreError, ClientError, WaiterError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def start(
    cloudformation: "CloudFormationClient",
    lambda_: "LambdaClient",
    name: str,
    model_uri: str,
    weight: int,
) -> str:
    """Send a share of the requests to a version with another model; says what was done.

    Args:
        cloudformation: a client.
        lambda_: a client.
        name: of the stack.
        model_uri: of the other model, in the store of the deployed one.
        weight: percent of the requests.

    Raises:
        DeliveryError: the stack is being deployed, or the model cannot stand in for its own.
        StoreError: the store does not have both models.
    """
    if not 1 <= weight <= 99:
        raise DeliveryError(f"the weight is {weight}: it must be 1 to 99 percent")
    stack = Stack.find(cloudformation, name)
    stack.require_settled()
    require_compatible(stack.model_uri, model_uri)
    alias = lambda_.get_alias(FunctionName=stack.function, Name=ALIAS)
    version = _publish(lambda_, stack, model_uri)
    lambda_.update_alias(
        FunctionName=stack.function,
        Name=ALIAS,
        RoutingConfig={"AdditionalVersionWeights": {version: weight / 100}},
        RevisionId=alias["RevisionId"],  # refused if a deployment moved it meanwhile
    )
    return f"{name}: {weight} % of the requests go to version {version} with {model_uri}"


def require_compatible(deployed: str, model_uri: str) -> None:
    """Refuse a model that clients would notice, or that the function's role cannot read.

    Raises:
        DeliveryError: it is the deployed one, in another store or of other labels.
        StoreError: the store does not have it.
    """
    if model_uri == deployed:
        raise DeliveryError(f"{model_uri} is the deployed model")
    store = deployed.rpartition("/")[0]
    if model_uri.rpartition("/")[0] != store:
        raise DeliveryError(f"the function may read models in {store} only: publish it there")
    labels, own = (fetch_manifest(uri)[0].labels for uri in (model_uri, deployed))
    if labels != own:
        raise DeliveryError(f"its labels are {', '.join(labels)}, not {', '.join(own)}")


def show(cloudformation: "CloudFormationClient", lambda_: "LambdaClient", name: str) -> str:
    """The model URI of the candidate.

    Raises:
        DeliveryError: there is none.
    """
    function = Stack.find(cloudformation, name).function
    candidate = candidate_of(lambda_.get_alias(FunctionName=function, Name=ALIAS))
    if not candidate:
        raise DeliveryError(f"{name} has no candidate: see make candidate")
    found = lambda_.get_function_configuration(FunctionName=function, Qualifier=candidate[0])
    return found["Environment"]["Variables"]["MODEL_URI"]


def end(cloudformation: "CloudFormationClient", lambda_: "LambdaClient", name: str) -> str:
    """Take the share away from the candidate, if there is one; says what was done.

    Raises:
        DeliveryError: the stack is being deployed, and the share is the new version's.
    """
    stack = Stack.find_deployed(cloudformation, name)
    if not stack:
        return f"{name}: not deployed yet"
    stack.require_settled()
    alias = lambda_.get_alias(FunctionName=stack.function, Name=ALIAS)
    candidate = candidate_of(alias)
    if not candidate:
        return f"{name}: no candidate"
    version = alias["FunctionVersion"]
    serve_only(lambda_, stack.function, version, alias["RevisionId"])
    return f"{name}: version {version} answers all requests, candidate {candidate[0]} none"


def _publish(lambda_: "LambdaClient", stack: Stack, model_uri: str) -> str:
    """A version of the function with another model; the function itself stays as deployed."""
    function = stack.function
    found = lambda_.get_function_configuration(FunctionName=function)
    variables = {**found["Environment"]["Variables"], "MODEL_URI": stack.model_uri}
    variables.pop(MARK, None)  # of a run that was killed
    try:
        revision = _configure(
            lambda_, function, {**variables, "MODEL_URI": model_uri, MARK: "true"}
        )
        version = lambda_.publish_version(
            FunctionName=function, Description=f"{DESCRIPTION} {model_uri}", RevisionId=revision
        )["Version"]
    finally:
        _configure(lambda_, function, variables)
    lambda_.get_waiter("published_version_active").wait(FunctionName=function, Qualifier=version)
    return version


def _configure(lambda_: "LambdaClient", function: str, variables: dict[str, str]) -> str:
    """Set the function's variables and wait until they hold; returns the revision."""
    lambda_.update_function_configuration(
        FunctionName=function, Environment={"Variables": variables}
    )
    lambda_.get_waiter("function_updated_v2").wait(FunctionName=function)
    return lambda_.get_function_configuration(FunctionName=function)["RevisionId"]


if __name__ == "__main__":
    sys.exit(main())
