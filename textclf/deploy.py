"""Prepare a deployment: check it, build its image, and work out its parameters."""

import sys
from typing import Any

from inference.local.checkout import ROOT
from operations.stack import Stack
from textclf.operate import connect

TEMPLATE = ROOT / "template.yaml"
IMAGES_TEMPLATE = ROOT / "operations" / "images.yaml"


def check(stack: str, /, *pairs: str) -> None:
    """Check that a deployment can succeed, before anything is built.

    It needs a model and `Access` the first time, and concurrency that the account can spare.

    ```
    textclf check text-classifier-prod Access=iam BulkBucket=my-files
    ```

    Args:
        stack: The name of the stack.
        pairs: Parameters of the stack, as `NAME=VALUE`.
    """
    from operations.deployment import parse_pairs, plan_deployment, require_access
    from operations.quotas import require_concurrency

    cloudformation, lambda_ = connect()
    deployed = Stack.find_deployed(cloudformation, stack)
    asked = parse_pairs(pairs)
    plan = plan_deployment(lambda_, deployed, asked, TEMPLATE.read_bytes())
    before = deployed.parameters if deployed else {}
    after = {**before, **plan.parameters}
    require_access(after)
    require_concurrency(lambda_, before, after)


def parameters(stack: str, /, *pairs: str) -> None:
    """Print the parameters with which sam deploys a stack.

    They are those that are given, and those that would be wrong otherwise: the model of the version
    that serves, the processor that the stack has, and what makes CloudFormation publish a version.

    ```
    textclf parameters text-classifier-prod MemorySize=3008
    ```

    Args:
        stack: The name of the stack.
        pairs: Parameters of the stack, as `NAME=VALUE`.
    """
    from operations.deployment import parse_pairs, plan_deployment

    cloudformation, lambda_ = connect()
    deployed = Stack.find_deployed(cloudformation, stack)
    plan = plan_deployment(lambda_, deployed, parse_pairs(pairs), TEMPLATE.read_bytes())
    if plan.note:
        print(f"{stack}: {plan.note}", file=sys.stderr)
    print(*(f"{name}={value}" for name, value in plan.parameters.items()))


def image(stack: str, /, *pairs: str, image: str = "") -> None:
    """Build the functions' image, push it to ECR and print its URI with its digest.

    The repository `text-classifier` is created if it is missing; all stacks of an account and
    region share it. With `--image`, nothing is built: prints the URI of an image that was pushed
    before, so that prod gets the one that dev tested.

    ```
    textclf image text-classifier-dev
    textclf image text-classifier-prod --image sha256:DIGEST
    ```

    Args:
        stack: The name of the stack, whose processor the image is for.
        pairs: Parameters of the stack, as `NAME=VALUE`.
        image: The digest or URI of an image that was pushed before.
    """
    import boto3

    from operations.image import find_repository, require_image

    cloudformation, _ = connect()
    repository = find_repository(cloudformation, IMAGES_TEMPLATE)
    ecr = boto3.client("ecr")
    if image:
        print(require_image(ecr, repository, image))
        return
    deployed = Stack.find_deployed(cloudformation, stack)
    print(_build_and_push(deployed, pairs, ecr, repository))


def _build_and_push(
    deployed: Stack | None, pairs: tuple[str, ...], ecr: Any, repository: str
) -> str:
    import docker

    from operations.deployment import find_architecture, parse_pairs
    from operations.image import Builder, find_pushed, log_in, tag_of

    builder = Builder(docker.from_env(timeout=600), ROOT)
    built = builder.build(find_architecture(deployed, parse_pairs(pairs)))
    pushed = find_pushed(ecr, repository, tag_of(built))
    return pushed or builder.push(built, repository, log_in(ecr))
