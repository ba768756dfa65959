import base64
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import docker
import pytest
from botocore.stub import Stubber

from operations import image
from tests.account import DEPLOYED, MODEL, STORE, Account
from textclf.app import main

REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/text-classifier"
DIGEST = f"sha256:{'a' * 64}"
MODEL_PAIRS = [f"{name}={value}" for name, value in MODEL.items()]


def limit(account: Account, total: int) -> None:
    limits = {"ConcurrentExecutions": total, "UnreservedConcurrentExecutions": total}
    account.function.add_response("get_account_settings", {"AccountLimit": limits}, {})


def test_a_first_deployment_that_can_succeed_passes_the_check(account: Account) -> None:
    account.describe_missing()
    limit(account, 1000)
    assert main(["check", "stack", *MODEL_PAIRS, "Access=iam", "BulkBucket=files"]) == 0


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["Access=iam"], "give MODEL_URI=s3://"),
        (MODEL_PAIRS, "who may call the API?"),
        (["Access"], "write a parameter as NAME=VALUE"),
    ],
)
def test_a_deployment_that_cannot_succeed_is_refused(
    account: Account, capsys: pytest.CaptureFixture[str], pairs: list[str], message: str
) -> None:
    account.describe_missing()
    assert main(["check", "stack", *pairs]) == 1
    assert message in capsys.readouterr().err


def test_a_deployment_beyond_the_quota_is_refused(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.describe_missing()
    limit(account, 10)
    pairs = [*MODEL_PAIRS, "Access=iam", "BulkBucket=files"]
    assert main(["check", "stack", *pairs]) == 1
    assert "L-B99A9384" in capsys.readouterr().err


def test_the_parameters_after_a_rollback_are_those_of_the_version_that_serves(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a stack on arm64 that deployed version 8, and version 7 with another model that serves
    account.describe(parameters={"Architecture": "arm64", "Access": "iam"}, Version="8")
    account.serve("7")
    account.has_model("7", f"{STORE}/00112233445566aa")
    account.list_versions()
    # WHEN the parameters of the next deployment are printed
    assert main(["parameters", "stack", "MemorySize=3008"]) == 0
    # THEN they keep that model and the processor, and leave out CodeDeploy
    output = capsys.readouterr()
    values = dict(pair.split("=", 1) for pair in output.out.split())
    revision = values.pop("Revision")
    assert len(revision) == 10
    assert values == {
        "MemorySize": "3008",
        "ModelStore": STORE,
        "ModelVersion": "00112233445566aa",
        "Architecture": "arm64",
        "ShiftTraffic": "false",
    }
    assert "version 7 serves, which the stack did not deploy last" in output.err


def test_live_prints_the_model_and_the_image_that_serve(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        account.describe()
    account.serve("7")
    account.has_model("7")
    account.serve("7")
    answer: Any = {"Code": {"ResolvedImageUri": f"{REPOSITORY}@{DIGEST}"}}
    account.function.add_response("get_function", answer)
    assert main(["live", "stack", "--model"]) == 0
    assert main(["live", "stack", "--image"]) == 0
    assert capsys.readouterr().out.split() == [DEPLOYED, DIGEST]


@pytest.fixture
def ecr(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """A stub of ECR, and the stack of its repository."""
    client = boto3.Session("test", "test", region_name="us-east-1").client("ecr")
    others = {"cloudformation": account.cloudformation, "lambda": account.lambda_}
    monkeypatch.setattr(boto3, "client", {**others, "ecr": client}.__getitem__)
    output = {"OutputKey": "Repository", "OutputValue": REPOSITORY}
    stack: Any = {"StackName": image.STACK, "StackStatus": "CREATE_COMPLETE", "Outputs": [output]}
    stack["CreationTime"] = "2026-01-01T00:00:00Z"
    expected = {"StackName": image.STACK}
    account.stack.add_response("describe_stacks", {"Stacks": [stack]}, expected)
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def test_an_image_that_dev_tested_is_found_by_its_digest(
    ecr: Stubber, capsys: pytest.CaptureFixture[str]
) -> None:
    ecr.add_response("describe_images", {"imageDetails": [{"imageDigest": DIGEST}]})
    assert main(["image", "stack", "--image", DIGEST]) == 0
    assert capsys.readouterr().out == f"{REPOSITORY}@{DIGEST}\n"


def test_an_image_is_built_for_the_processor_of_the_stack_and_pushed(
    account: Account,
    ecr: Stubber,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a stack on arm64, and a Docker engine
    account.describe(parameters={"Architecture": "arm64"})
    built: dict[str, Any] = {}

    def build(**options: Any) -> tuple[Any, list[Any]]:
        built.update(options)
        return SimpleNamespace(id=f"sha256:{'b' * 64}", tag=lambda *_: None), []

    images = SimpleNamespace(
        get_registry_data=lambda _: SimpleNamespace(id=f"sha256:{'c' * 64}"),
        build=build,
        push=lambda *_, **__: iter([{"aux": {"Digest": DIGEST}}]),
    )
    monkeypatch.setattr(docker, "from_env", lambda **_: SimpleNamespace(images=images))
    ecr.add_client_error("describe_images", "ImageNotFoundException")
    token = base64.b64encode(b"AWS:secret").decode()
    data = {"authorizationData": [{"authorizationToken": token}]}
    ecr.add_response("get_authorization_token", data)
    # WHEN the image is built THEN it is for that processor, and named by its digest
    assert main(["image", "stack"]) == 0
    assert built["platform"] == "linux/arm64"
    assert capsys.readouterr().out == f"{REPOSITORY}@{DIGEST}\n"
