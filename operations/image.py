"""Build the functions' image once, push it to ECR, and name it by its digest.

Whatever is deployed later, to whichever stack, is named by that digest, so it is the image that was
tested. The image's labels name its base image, again by digest.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from operations.stack import MissingStackError, Stack, StackError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

Client = Any  # of ECR; boto3 builds the methods of its clients at run time

STACK = "text-classifier-images"
DOCKERFILE = "docker/Dockerfile"
PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}
# https://github.com/opencontainers/image-spec/blob/main/annotations.md
LABEL = "org.opencontainers.image.base"
DIGEST = "sha256:"


@dataclass(frozen=True)
class Builder:
    """Builds and pushes with a Docker engine."""

    docker: Any  # a docker.DockerClient
    context: Path  # the checkout

    def build(self, architecture: str) -> Any:
        """Build the image on its base image of today; returns it.

        Raises:
            StackError: The build failed.
        """
        from docker.errors import BuildError

        platform = PLATFORMS[architecture]
        base = find_base(self.context)
        pinned = self._pin(base)
        digest = pinned.partition("@")[2]
        try:
            image, _ = self.docker.images.build(
                path=str(self.context),
                dockerfile=DOCKERFILE,
                platform=platform,
                buildargs={"BASE": pinned},
                labels={f"{LABEL}.name": base.partition("@")[0], f"{LABEL}.digest": digest},
                rm=True,
            )
        except BuildError as error:
            lines = "".join(str(one.get("stream", "")) for one in error.build_log)
            raise StackError(f"the image cannot be built: {error.msg}\n{lines[-2000:]}") from error
        return image

    def push(self, image: Any, repository: str, login: Mapping[str, str]) -> str:
        """Push an image; returns REPOSITORY@DIGEST.

        Raises:
            StackError: The push failed.
        """
        tag = tag_of(image)
        image.tag(repository, tag)
        answers = self.docker.images.push(
            repository, tag, auth_config=dict(login), stream=True, decode=True
        )
        return f"{repository}@{find_digest(answers)}"

    def _pin(self, base: str) -> str:
        """Return an image with the digest that its tag has now, unless it names a digest."""
        from docker.errors import APIError

        if "@" in base:
            return base
        try:
            return f"{base.rpartition(':')[0]}@{self.docker.images.get_registry_data(base).id}"
        except APIError as error:
            raise StackError(f"the base image {base} cannot be reached: {error}") from error


def find_base(context: Path) -> str:
    """Return the base image that the Dockerfile of a checkout names.

    Raises:
        StackError: It names none.
    """
    found = re.search(r"^FROM (\S+) AS base$", (context / DOCKERFILE).read_text(), re.MULTILINE)
    if not found:
        raise StackError(f"{DOCKERFILE} has no line FROM IMAGE AS base")
    return found[1]


def tag_of(image: Any) -> str:
    """Return the tag of an image, which is the same for the same content."""
    return str(image.id.removeprefix(DIGEST)[:12])


def find_pushed(ecr: Client, repository: str, tag: str) -> str | None:
    """Return REPOSITORY@DIGEST of a tag, whose image ECR never replaces; None if it is missing."""
    name = repository.partition("/")[2]
    try:
        found = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": tag}])
    except ecr.exceptions.ImageNotFoundException:
        return None
    return f"{repository}@{found['imageDetails'][0]['imageDigest']}"


def find_digest(answers: Iterable[Mapping[str, Any]]) -> str:
    """Return the digest in what the engine says about a push.

    Raises:
        StackError: The push failed.
    """
    digest = ""
    for answer in answers:
        if problem := answer.get("error"):
            raise StackError(f"the image cannot be pushed: {problem}")
        digest = answer.get("aux", {}).get("Digest", digest)
    if not digest:
        raise StackError("the image cannot be pushed: the engine names no digest")
    return digest


def find_repository(cloudformation: "CloudFormationClient", template: Path) -> str:
    """Return the address of the repository, which is created if it is missing."""
    stack = _find(cloudformation)
    if stack is None:
        cloudformation.create_stack(StackName=STACK, TemplateBody=template.read_text())
        cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK)
        stack = Stack.find(cloudformation, STACK)
    return stack.require_output("Repository", "has no repository: delete it and try again")


def require_image(ecr: Client, repository: str, image: str) -> str:
    """Return REPOSITORY@DIGEST of an image that was pushed before, given so or by its digest.

    Raises:
        StackError: It is not named by its digest, or not in the repository.
    """
    digest = image.rpartition("@")[2]
    if not digest.startswith(DIGEST):
        raise StackError(f"--image {image}: name it by its digest, sha256:...")
    name = repository.partition("/")[2]
    try:
        ecr.describe_images(repositoryName=name, imageIds=[{"imageDigest": digest}])
    except ecr.exceptions.ImageNotFoundException as error:
        raise StackError(
            f"{digest} is not in {repository}: push it there, or let ECR replicate it"
        ) from error
    return f"{repository}@{digest}"


def log_in(ecr: Client) -> dict[str, str]:
    """Return what an engine needs to push to ECR."""
    (data,) = ecr.get_authorization_token()["authorizationData"]
    name, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return {"username": name, "password": password}


def _find(cloudformation: "CloudFormationClient") -> Stack | None:
    try:
        return Stack.find(cloudformation, STACK)
    except MissingStackError:
        return None
