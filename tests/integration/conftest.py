"""A published model, and the handler as Lambda calls it."""

import gc
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from mypy_boto3_s3 import S3Client

from inference.model.publish import publish
from inference.runtime.context import Context
from inference.runtime.payload import to_event
from tests.cloudformation import deployed
from tests.conftest import SAMPLE_MODEL, TinyModel
from tests.step_functions.interpreter import Interpreter, start_interpreter
from textclf import operate

STACK = "text-classifier-test"
Call = Callable[..., tuple[int, dict[str, str], Any]]


class PredictionTable:
    """A prediction table in the local DynamoDB, with the schema of the template."""

    def __init__(self, endpoint: str, name: str) -> None:
        self.name = name
        properties = deployed(PredictionLog="on")["Resources"]["PredictionTable"]["Properties"]
        names = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode")
        self._table = boto3.resource("dynamodb", endpoint_url=endpoint).create_table(
            TableName=name, **{key: properties[key] for key in names}
        )

    def items(self) -> dict[str, dict[str, Any]]:
        """Return all items, by id."""
        items: list[Any] = self._table.scan()["Items"]
        return {item["id"]: item for item in items}

    def change(self, key: str, **values: Any) -> None:
        """Replace attributes of an item."""
        self._table.put_item(Item={**self.items()[key], **values})

    def expire(self, key: str) -> None:
        """Let an item expire a second ago; nothing deletes it here."""
        self.change(key, expires_at=int(time.time()) - 1)


@pytest.fixture
def table(s3_endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> PredictionTable:
    """An empty table for this test alone; moto serves DynamoDB at the endpoint of its S3."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", s3_endpoint)
    return PredictionTable(s3_endpoint, f"predictions-{bucket}")


@pytest.fixture(scope="session")
def interpreter(outside: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interpreter]:
    """LocalStack, which executes the state machines."""
    with start_interpreter(tmp_path_factory.mktemp("localstack")) as running:
        yield running


@pytest.fixture
def uri(s3: S3Client, bucket: str, tiny_model: TinyModel) -> str:
    """The URI of the tiny model in the local S3."""
    return publish(s3, tiny_model.bundle, f"s3://{bucket}/news")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Call]:
    """A function that starts an execution environment, and returns one that calls it."""

    def new(model_uri: str, **environment: str) -> Call:
        monkeypatch.setenv("MODEL_URI", model_uri)
        monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "cache"))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delitem(sys.modules, "inference.api.handler", raising=False)
        handler = importlib.import_module("inference.api.handler").handler
        gc.unfreeze()  # in this process, another environment may replace it

        def call(
            method: str, path: str, body: Any = b"", media_type: str = "application/json"
        ) -> tuple[int, dict[str, str], Any]:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers = [("content-type", media_type), ("origin", "https://example.com")]
            event = to_event(method, path, headers, data)
            answer = handler(event, Context("the-request-id"))
            json.dumps(answer)  # raises for an answer that Lambda could not send
            response = {name.lower(): value for name, value in answer["headers"].items()}
            content = answer["body"]
            is_json = response.get("content-type", "").endswith("json")
            return answer["statusCode"], response, json.loads(content) if is_json else content

        return call

    return new


@pytest.fixture
def call(start: Callable[..., Call], uri: str) -> Call:
    """Calls a function that has started."""
    return start(uri)


@pytest.fixture
def sample_uri(s3: S3Client, bucket: str) -> str:
    """The URI of the shipped model in the local S3."""
    return publish(s3, SAMPLE_MODEL, f"s3://{bucket}/news")


@pytest.fixture
def deploy_sample(
    s3_endpoint: str, sample_uri: str, table: PredictionTable, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """A way to make STACK, with the shipped model, in the account that moto simulates."""
    cloudformation = boto3.client("cloudformation", endpoint_url=s3_endpoint)
    lambda_ = boto3.client("lambda", endpoint_url=s3_endpoint)
    iam = boto3.client("iam", endpoint_url=s3_endpoint)
    monkeypatch.setattr(operate, "connect", lambda: (cloudformation, lambda_))

    def make(log_text: str = "true", *, has_table: bool = True) -> None:
        role = iam.create_role(RoleName=STACK, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/x@sha256:" + "0" * 64
        lambda_.create_function(
            FunctionName=STACK,
            PackageType="Image",
            Code={"ImageUri": image},
            Role=role,
            Environment={"Variables": {"MODEL_URI": sample_uri}},
        )
        version = lambda_.publish_version(FunctionName=STACK)["Version"]
        lambda_.create_alias(FunctionName=STACK, Name="live", FunctionVersion=version)
        outputs = {"Function": {"Value": STACK}}
        if has_table:
            outputs["PredictionTable"] = {"Value": table.name}
        template = {
            "Parameters": {"LogText": {"Type": "String"}},
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": outputs,
        }
        cloudformation.create_stack(
            StackName=STACK,
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": "LogText", "ParameterValue": log_text}],
        )

    yield make
    cloudformation.delete_stack(StackName=STACK)
    lambda_.delete_function(FunctionName=STACK)
    iam.delete_role(RoleName=STACK)


@pytest.fixture
def sample_service(start: Callable[..., Call], sample_uri: str, table: PredictionTable) -> Call:
    """A function with the shipped model that keeps the texts of its predictions."""
    return start(
        sample_uri, PREDICTION_TABLE=table.name, PREDICTION_TIMEOUT_MS="5000", LOG_TEXT="true"
    )


def metrics_in(capsys: pytest.CaptureFixture[str]) -> dict[str, list[float]]:
    """Return the values of each metric that was printed since the last call."""
    return metrics_of(capsys.readouterr().out)


def metrics_of(printed: str) -> dict[str, list[float]]:
    """Return the values of each metric in the lines that a function printed."""
    values: dict[str, list[float]] = {}
    for line in printed.splitlines():
        blob = json.loads(line)
        for directive in blob.get("_aws", {}).get("CloudWatchMetrics", []):
            for metric in directive["Metrics"]:
                values.setdefault(metric["Name"], []).extend(blob[metric["Name"]])
    return values
