"""Let a second model, the candidate, answer a share of a deployed stack's requests.

A candidate is a version of the function with another model. To publish it, ``start_candidate``
changes the function's configuration for a moment and then restores what CloudFormation deployed.
It may be called again, with another share or after it was killed: it takes what CloudFormation
deployed from the stack, not from the function.
"""

from typing import TYPE_CHECKING

from inference.aws import MODEL_VARIABLE, read_model_of
from inference.model.store import fetch_manifest
from operations.alias import LiveAlias
from operations.stack import Stack, StackError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# Starts the description of every candidate's version, so that rollback and prune can skip it.
DESCRIPTION = "candidate"
# Lambda does not publish a version identical to the latest one, and CloudFormation treats that as
# a failure. With this variable, a candidate differs from the same model deployed later.
MARK = "MODEL_CANDIDATE"


def start_candidate(lambda_: "LambdaClient", stack: Stack, model_uri: str, percent: int) -> str:
    """Send a share of a stack's requests to another model.

    Args:
        lambda_: The client.
        stack: The stack, which no deployment may be changing.
        model_uri: The candidate's model, in the same store as the one that serves.
        percent: The share of the requests, from 1 to 99.

    Returns:
        The candidate's version.

    Raises:
        StackError: A deployment is in progress, or the model cannot replace the deployed one.
        StoreError: A manifest cannot be read.
    """
    stack.require_settled()
    alias = LiveAlias.read(lambda_, stack.function)
    require_compatible(alias.read_model(lambda_), model_uri)
    version = _publish(lambda_, stack, model_uri)
    alias.send_share_to(lambda_, version, percent)
    return version


def require_compatible(serving: str, model_uri: str) -> None:
    """Refuse a model that the function cannot read, or whose labels clients do not know.

    Raises:
        StackError: It is the model that serves, in another store, or has other labels.
        StoreError: A manifest cannot be read.
    """
    if model_uri == serving:
        raise StackError(f"{model_uri} already serves: choose another model")
    store = serving.rpartition("/")[0]
    if model_uri.rpartition("/")[0] != store:
        raise StackError(f"the function may only read models in {store}: publish the model there")
    candidate, deployed = (fetch_manifest(uri).manifest for uri in (model_uri, serving))
    if candidate.labels != deployed.labels:
        raise StackError(
            f"the labels of {model_uri} are {', '.join(candidate.labels)}; "
            f"those of the model that serves are {', '.join(deployed.labels)}"
        )
    if (candidate.labelling is None) != (deployed.labelling is None):
        several, other = (
            ("the model that serves", model_uri)
            if deployed.labelling
            else (model_uri, "the model that serves")
        )
        raise StackError(f"{several} may give a text several labels, and {other} gives it one")


def is_candidate(description: str) -> bool:
    """Tell by the description of a version whether it was published as a candidate."""
    return description.startswith(f"{DESCRIPTION} ")


def find_candidate(lambda_: "LambdaClient", stack: Stack) -> str:
    """Return the model URI of a stack's candidate.

    Raises:
        StackError: The stack has no candidate.
    """
    version = require_candidate(LiveAlias.read(lambda_, stack.function), stack.name)
    return read_model_of(lambda_, stack.function, version)


def require_candidate(alias: LiveAlias, stack: str) -> str:
    """Return the candidate's version.

    Raises:
        StackError: The stack of this name has no candidate.
    """
    if not alias.candidate:
        raise StackError(f"{stack} has no candidate: start one with `textclf candidate start`")
    return alias.candidate


def end_candidate(lambda_: "LambdaClient", stack: Stack) -> str:
    """Let the deployed version answer every request again.

    Returns:
        A sentence that says what changed.

    Raises:
        StackError: A deployment is in progress, so the share belongs to its canary.
    """
    stack.require_settled()
    alias = LiveAlias.read(lambda_, stack.function)
    if not alias.candidate:
        return f"{stack.name}: no candidate"
    return remove_share(lambda_, alias, stack.name)


def remove_share(lambda_: "LambdaClient", alias: LiveAlias, stack: str) -> str:
    """Take the share away from the candidate; returns a sentence that says so."""
    alias.send_all_to(lambda_, alias.version)
    return (
        f"{stack}: version {alias.version} answers all requests, candidate {alias.candidate} none"
    )


def _publish(lambda_: "LambdaClient", stack: Stack, model_uri: str) -> str:
    """Publish a version with another model and leave the function as it was deployed."""
    function = stack.function
    configuration = lambda_.get_function_configuration(FunctionName=function)
    deployed = {**configuration["Environment"]["Variables"], MODEL_VARIABLE: stack.model_uri}
    deployed.pop(MARK, None)  # left behind by a run that was killed
    candidate = {**deployed, MODEL_VARIABLE: model_uri, MARK: "true"}
    try:
        revision = _configure(lambda_, function, candidate)
        version = lambda_.publish_version(
            FunctionName=function, Description=f"{DESCRIPTION} {model_uri}", RevisionId=revision
        )["Version"]
    finally:
        _configure(lambda_, function, deployed)
    lambda_.get_waiter("published_version_active").wait(FunctionName=function, Qualifier=version)
    return version


def _configure(lambda_: "LambdaClient", function: str, variables: dict[str, str]) -> str:
    """Set the function's variables, wait until they apply and return the revision."""
    lambda_.update_function_configuration(
        FunctionName=function, Environment={"Variables": variables}
    )
    lambda_.get_waiter("function_updated_v2").wait(FunctionName=function)
    return lambda_.get_function_configuration(FunctionName=function)["RevisionId"]
