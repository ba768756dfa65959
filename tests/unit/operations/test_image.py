import base64
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from samtranslator.yaml_helper import yaml_parse

from operations import image
from operations.image import Builder
from operations.stack import StackError
from tests.conftest import ROOT

REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/text-classifier"
DIGEST = f"sha256:{'a' * 64}"
BASE = f"sha256:{'b' * 64}"
TEMPLATE = yaml_parse((ROOT / "operations" / "images.yaml").read_text())


class Images:
    """The images of a Docker engine that records what it is asked for."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers, self.built = answers, dict[str, Any]()
        self.tagged: list[tuple[str, str]] = []

    def get_registry_data(self, name: str) -> SimpleNamespace:
        assert name == image.find_base(ROOT)
        return SimpleNamespace(id=BASE)

    def build(self, **options: Any) -> tuple[SimpleNamespace, list[Any]]:
        self.built = options
        tag = lambda *names: self.tagged.append(names)  # noqa: E731
        return SimpleNamespace(id=f"sha256:{'0123456789abcdef' * 4}", tag=tag), []

    def push(self, repository: str, tag: str, **options: Any) -> Iterator[dict[str, Any]]:
        assert self.tagged == [(repository, tag)]
        assert options["auth_config"] == {"username": "AWS", "password": "secret"}
        return iter(self.answers)


def builder(images: Images) -> Builder:
    return Builder(SimpleNamespace(images=images), ROOT)


LOGIN = {"username": "AWS", "password": "secret"}
# As Docker's API streams a push.
PUSHED = ({"status": "Pushed"}, {"aux": {"Tag": "0123456789ab", "Digest": DIGEST, "Size": 1}})


@pytest.mark.parametrize(
    ("architecture", "platform"), [("x86_64", "linux/amd64"), ("arm64", "linux/arm64")]
)
def test_an_image_is_built_for_the_processor_on_a_base_with_a_digest(
    architecture: str, platform: str
) -> None:
    images = Images()
    builder(images).build(architecture)
    assert images.built["platform"] == platform
    assert images.built["buildargs"] == {"BASE": f"public.ecr.aws/lambda/python@{BASE}"}
    assert images.built["labels"]["org.opencontainers.image.base.digest"] == BASE


def test_dependabot_finds_the_base_image() -> None:
    """It reads FROM lines, but no build arguments in them (dependabot-core, issue 2057)."""
    (entry,) = (
        one
        for one in yaml_parse((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
        if one["package-ecosystem"] == "docker"
    )
    assert entry["directory"] == "/docker"
    assert re.fullmatch(
        r"public\.ecr\.aws/lambda/python:3\.\d+(@sha256:\w+)?", image.find_base(ROOT)
    )


def test_a_digest_in_the_dockerfile_is_kept(tmp_path: Path) -> None:
    # GIVEN a Dockerfile whose base image has a digest
    (tmp_path / "docker").mkdir()
    base = f"registry/python:3.13@{DIGEST}"
    (tmp_path / "docker" / "Dockerfile").write_text(f"ARG BASE=base\nFROM {base} AS base\n")
    # WHEN the image is built THEN it is on that image, whatever its tag means by now
    images = Images()
    Builder(SimpleNamespace(images=images), tmp_path).build("x86_64")
    assert images.built["buildargs"] == {"BASE": base}
    assert images.built["labels"] == {
        "org.opencontainers.image.base.name": "registry/python:3.13",
        "org.opencontainers.image.base.digest": DIGEST,
    }


def test_a_dockerfile_without_a_base_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(StackError, match="no line FROM IMAGE AS base"):
        image.find_base(tmp_path)


def test_a_pushed_image_is_named_by_its_digest() -> None:
    one = builder(Images(*PUSHED))
    built = one.build("x86_64")
    assert one.push(built, REPOSITORY, LOGIN) == f"{REPOSITORY}@{DIGEST}"


@pytest.mark.parametrize(
    ("answers", "message"),
    [([{"error": "denied"}], "cannot be pushed: denied"), ([{"status": "x"}], "no digest")],
)
def test_a_failed_push_is_an_error(answers: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(StackError, match=message):
        image.find_digest(answers)


@pytest.fixture
def ecr() -> Iterator[tuple[Any, Stubber]]:
    client = boto3.Session("test", "test", region_name="us-east-1").client("ecr")
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()


@pytest.mark.parametrize("given", [DIGEST, f"elsewhere/text-classifier@{DIGEST}"])
def test_an_image_that_was_tested_is_deployed_by_its_digest(
    ecr: tuple[Any, Stubber], given: str
) -> None:
    client, stub = ecr
    expected = {"repositoryName": "text-classifier", "imageIds": [{"imageDigest": DIGEST}]}
    stub.add_response("describe_images", {"imageDetails": [{"imageDigest": DIGEST}]}, expected)
    assert image.require_image(client, REPOSITORY, given) == f"{REPOSITORY}@{DIGEST}"


def test_an_image_of_another_account_is_refused(ecr: tuple[Any, Stubber]) -> None:
    client, stub = ecr
    stub.add_client_error("describe_images", "ImageNotFoundException")
    with pytest.raises(StackError, match="push it there, or let ECR replicate it"):
        image.require_image(client, REPOSITORY, DIGEST)


def test_an_image_named_by_a_tag_is_refused(ecr: tuple[Any, Stubber]) -> None:
    with pytest.raises(StackError, match="name it by its digest"):
        image.require_image(ecr[0], REPOSITORY, "text-classifier:latest")


def test_an_image_that_is_there_is_not_pushed_again(ecr: tuple[Any, Stubber]) -> None:
    client, stub = ecr
    stub.add_response("describe_images", {"imageDetails": [{"imageDigest": DIGEST}]})
    assert image.find_pushed(client, REPOSITORY, "0123456789ab") == f"{REPOSITORY}@{DIGEST}"
    stub.add_client_error("describe_images", "ImageNotFoundException")
    assert image.find_pushed(client, REPOSITORY, "0123456789ab") is None


def test_the_engine_logs_in_as_ecr_says(ecr: tuple[Any, Stubber]) -> None:
    client, stub = ecr
    token = base64.b64encode(b"AWS:secret").decode()
    stub.add_response(
        "get_authorization_token", {"authorizationData": [{"authorizationToken": token}]}
    )
    assert image.log_in(client) == LOGIN


def test_one_repository_scans_expires_and_never_replaces_images() -> None:
    (repository,) = (one["Properties"] for one in TEMPLATE["Resources"].values())
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    rules = yaml_parse(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert [rule["selection"]["countNumber"] for rule in rules] == [1, 100]
