"""Let an earlier version serve again, and let the stack know of it.

Moving the alias takes effect at once, but only the alias changes: the stack still has the
parameters of the version that was withdrawn, and CodeDeploy refuses the next deployment, because
the alias is not where CloudFormation put it. ``finish_rollback`` therefore deploys the model, the
image and the settings of the version that serves, with the stack's own template.
"""

import re
from typing import TYPE_CHECKING, Any

from inference.aws import find_model_in
from operations.activation import activate
from operations.alias import LiveAlias
from operations.candidate import is_candidate, remove_share
from operations.deployment import AGAIN, find_stray_version
from operations.failures import find_failed_versions
from operations.stack import Stack, StackError
from operations.versions import LATEST, list_versions, read_newest_revision

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

# Begins the Revision of a stack that deployed an earlier version anew; the number follows. It is in
# the description of the new version, so that the next rollback goes back from there.
ROLLBACK = "rb"
UNCALLED = "but could not be called first: the function has no free concurrency"
CAPABILITIES: Any = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
PARAMETERS_OF = {  # by the variable of the function that has their value
    "AWS_ENDPOINT_URL_S3": "S3EndpointUrl",
    "LOG_TEXT": "LogText",
    "PREDICTION_TTL_DAYS": "PredictionTtlDays",
}


def roll_back(
    cloudformation: "CloudFormationClient",
    lambda_: "LambdaClient",
    stack: Stack,
    version: str | None = None,
) -> str:
    """Undo the last change to a stack, or serve a chosen version.

    The last change is a deployment in progress, else a candidate, else the deployed version. An
    earlier version is called until it answers before it gets requests, unless the function is
    throttled, which the rollback may be the way to end.

    Args:
        cloudformation: The client; it cancels a deployment, or reads how earlier ones ended.
        lambda_: The client.
        stack: The stack.
        version: The version to serve; by default, the previous one.

    Returns:
        A sentence that says what changed.

    Raises:
        StackError: There is no previous version, the earlier version does not answer, or a version
            was chosen during a deployment.
    """
    if stack.status == "UPDATE_IN_PROGRESS":
        if version:
            raise StackError(
                f"{stack.name} is being deployed: cancel it with `textclf rollback {stack.name}`, "
                f"without a version, wait until it has ended, then choose {version} again"
            )
        cloudformation.cancel_update_stack(StackName=stack.name)
        return f"{stack.name}: the deployment in progress is cancelled and rolled back"
    alias = LiveAlias.read(lambda_, stack.function)
    if alias.candidate and not version:
        return remove_share(lambda_, alias, stack.name)
    target = version or _find_previous(lambda_, alias, find_failed_versions(cloudformation, stack))
    answered = activate(lambda_, stack.function, target)
    alias.send_all_to(lambda_, target)
    sentence = f"{stack.name}: version {target} serves instead of {alias.version}"
    return sentence if answered else f"{sentence}, {UNCALLED}"


def finish_rollback(
    cloudformation: "CloudFormationClient", lambda_: "LambdaClient", stack: Stack
) -> str:
    """Deploy what the version behind the alias has, if the stack deployed another version.

    CloudFormation moves the alias itself (``ShiftTraffic=false``), so no withdrawn version answers
    a request meanwhile.

    Returns:
        A sentence that says what the stack now deploys; empty if there was nothing to do.

    Raises:
        StackError: The stack cannot be updated, or the image of the version cannot be deployed.
    """
    if stack.status == "UPDATE_IN_PROGRESS":  # being cancelled, which restores the stack as well
        return ""
    alias = LiveAlias.read(lambda_, stack.function)
    version = find_stray_version(alias, stack)
    if not version:
        return ""
    stack.require_settled()
    changes = _changes_for(lambda_, stack, alias)
    parameters: Any = [
        {"ParameterKey": name, "ParameterValue": changes[name]}
        if name in changes
        else {"ParameterKey": name, "UsePreviousValue": True}
        for name in stack.parameters
    ]
    cloudformation.update_stack(
        StackName=stack.name,
        UsePreviousTemplate=True,
        Capabilities=CAPABILITIES,
        Parameters=parameters,
    )
    cloudformation.get_waiter("stack_update_complete").wait(StackName=stack.name)
    return f"{stack.name}: the stack deployed the model of version {version} anew"


def _changes_for(lambda_: "LambdaClient", stack: Stack, alias: LiveAlias) -> dict[str, str]:
    """Return the parameters with which the stack deploys what the version behind the alias has."""
    configuration = lambda_.get_function_configuration(
        FunctionName=stack.function, Qualifier=alias.version
    )
    store, _, model = find_model_in(configuration).rpartition("/")
    changes = {"ModelStore": store, "ModelVersion": model, "ShiftTraffic": "false"}
    changes |= _read_settings(configuration)
    image = alias.read_image(lambda_)
    if stack.parameters.get("Image"):
        changes["Image"] = image
    else:
        latest = lambda_.get_function(FunctionName=stack.function)
        if image != latest["Code"].get("ResolvedImageUri", ""):
            raise StackError(
                f"{stack.name} was deployed without Image, so its template names the image of the "
                "version that was withdrawn: the next `make deploy` brings the stack up to date"
            )
    revision = f"{ROLLBACK}{alias.version}"
    used = (stack.parameters.get("Revision"), read_newest_revision(lambda_, stack.function))
    if revision in used:  # CloudFormation would do nothing, or fail again as it did before
        revision += AGAIN
    return changes | {"Revision": revision}


def _read_settings(configuration: "FunctionConfigurationResponseTypeDef") -> dict[str, str]:
    """Return the parameters that a version was deployed with, as far as it shows them.

    They may be what made the withdrawn version fail, such as too little memory.
    """
    network = configuration.get("VpcConfig", {})
    settings = {
        "SubnetIds": ",".join(network.get("SubnetIds", [])),
        "SecurityGroupIds": ",".join(network.get("SecurityGroupIds", [])),
    }
    variables = configuration.get("Environment", {}).get("Variables", {})
    settings |= {PARAMETERS_OF[name]: variables[name] for name in PARAMETERS_OF.keys() & variables}
    if "MemorySize" in configuration:
        settings["MemorySize"] = str(configuration["MemorySize"])
    if "EphemeralStorage" in configuration:
        settings["EphemeralStorage"] = str(configuration["EphemeralStorage"]["Size"])
    if "Architectures" in configuration:
        settings["Architecture"] = configuration["Architectures"][0]
    # Not the other way: a stack that has gone over to ProvisionedConcurrency would refuse it.
    if configuration.get("SnapStart", {}).get("ApplyOn") == "None":
        settings["SnapStart"] = "off"
    return settings


def _find_previous(lambda_: "LambdaClient", alias: LiveAlias, failed: set[str]) -> str:
    """Find the newest version before the current one that was deployed, and did not fail.

    Candidates were not deployed. If the current version is an earlier one deployed anew, those
    since then were withdrawn.
    """
    descriptions = {
        int(version["Version"]): version.get("Description", "")
        for version in list_versions(lambda_, alias.function)
        if version["Version"] != LATEST
    }
    current = int(alias.version)
    while renewed := _find_renewed(descriptions, current):
        current = renewed
    older = [
        version
        for version, description in descriptions.items()
        if version < current and not is_candidate(description) and str(version) not in failed
    ]
    if not older:
        raise StackError(f"{alias.function} has no version older than {alias.version} that served")
    return str(max(older))


def _find_renewed(descriptions: dict[int, str], version: int) -> int | None:
    """Return the earlier version that this one deployed anew, if it did.

    A retraining keeps the stack's Revision, but not the model, which the description begins with.
    """
    description = descriptions.get(version, "")
    named = re.search(rf"\b{ROLLBACK}(\d+){AGAIN}?$", description)
    if not named:
        return None
    earlier = int(named[1])
    models = [one.split()[:2] for one in (description, descriptions.get(earlier, description))]
    return earlier if models[0] == models[1] else None
