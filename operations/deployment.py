"""Work out the parameters of a deployment: those that were asked for, and what serves now.

What a deployment does not name stays as it is. For the model, that is the one of the version behind
``live``; the stack itself still names a model that was rolled back.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from operations.alias import LiveAlias
from operations.image import PLATFORMS
from operations.stack import Stack, StackError
from operations.versions import read_newest_revision

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

DEFAULT_ARCHITECTURE = "x86_64"
DERIVED = ("Revision", "ShiftTraffic")  # worked out here
REVISION_DIGITS = 10  # as many as SAM puts into the name of a version
AGAIN = "x"  # ends a Revision that a failed deployment has used


@dataclass(frozen=True)
class Deployment:
    """The parameters of a deployment, and what is unusual about it."""

    parameters: dict[str, str]
    note: str = ""


def parse_pairs(pairs: tuple[str, ...]) -> dict[str, str]:
    """Parse parameters like ``Access=iam``.

    Raises:
        StackError: One has no equals sign.
    """
    parameters = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise StackError(f"{pair}: write a parameter as NAME=VALUE")
        parameters[name] = value
    return parameters


def plan_deployment(
    lambda_: "LambdaClient", stack: Stack | None, asked: Mapping[str, str], template: bytes
) -> Deployment:
    """Work out the parameters of the next deployment of a stack.

    Args:
        lambda_: The client.
        stack: The stack; None before its first deployment.
        asked: The parameters that were given. ``ShiftTraffic=false`` is for this deployment only.
        template: The template that is deployed.

    Raises:
        StackError: The first deployment does not name a model, or a value is wrong.
        LiveModelError: The model that serves cannot be read.
    """
    parameters = {name: value for name, value in asked.items() if name not in DERIVED}
    known = stack.parameters if stack else {}
    alias = LiveAlias.read(lambda_, stack.function) if stack else None
    if not {"ModelStore", "ModelVersion"} <= set(parameters):
        if alias is None:
            raise StackError("the first deployment needs a model: give MODEL_URI=s3://...")
        store, _, version = alias.read_model(lambda_).rpartition("/")
        parameters = {"ModelStore": store, "ModelVersion": version, **parameters}
    parameters["Architecture"] = find_architecture(stack, asked)
    strayed = find_stray_version(alias, stack) if alias and stack else None
    shift = asked.get("ShiftTraffic", "true")
    if shift not in ("true", "false"):
        raise StackError(f"ShiftTraffic={shift}: choose true or false")
    parameters["ShiftTraffic"] = "false" if strayed else shift
    revision = digest_revision(template, {**known, **parameters})
    parameters["Revision"] = _renew(lambda_, stack, revision) if stack else revision
    return Deployment(parameters, _explain(strayed) if strayed else "")


def find_architecture(stack: Stack | None, asked: Mapping[str, str]) -> str:
    """Return the processor of the next deployment: as asked for, or else as the stack has it.

    A build does not know the stack, and would use the template's default.

    Raises:
        StackError: There is no such processor in Lambda.
    """
    known = stack.parameters if stack else {}
    architecture = asked.get("Architecture") or known.get("Architecture", DEFAULT_ARCHITECTURE)
    if architecture not in PLATFORMS:
        raise StackError(f"Architecture={architecture}: choose one of {', '.join(PLATFORMS)}")
    return architecture


def require_access(parameters: Mapping[str, str]) -> None:
    """Refuse a deployment that does not say who may call the API.

    Raises:
        StackError: It does not.
    """
    if not parameters.get("Access"):
        raise StackError(
            'who may call the API? Give PARAMETERS="Access=iam", or api-key, jwt or public'
        )


def find_stray_version(alias: LiveAlias, stack: Stack) -> str | None:
    """Return the version behind the alias if it is not the one that the stack deployed.

    CloudFormation hands both versions to CodeDeploy, which refuses to start unless the alias points
    to the first of them, as ``CurrentVersion`` in its AppSpec.
    https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-resources.html
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-updatepolicy.html
    """
    deployed = stack.outputs.get("Version", alias.version)
    return alias.version if alias.version != deployed else None


def digest_revision(template: bytes, parameters: Mapping[str, str]) -> str:
    """Digest everything that a version of the function may depend on."""
    relevant = {name: value for name, value in parameters.items() if name not in DERIVED}
    content = template + json.dumps(relevant, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()[:REVISION_DIGITS]


def _renew(lambda_: "LambdaClient", stack: Stack, revision: str) -> str:
    """Return a revision with which a version can be published, or the stack's if it is the same."""
    deployed = stack.parameters.get("Revision", "")
    if deployed in (revision, revision + AGAIN):
        return deployed
    failed = read_newest_revision(lambda_, stack.function)
    return revision + AGAIN if revision == failed else revision


def _explain(version: str) -> str:
    return (
        f"version {version} serves, which the stack did not deploy last: "
        "all requests move to the new version at once, without a canary"
    )
