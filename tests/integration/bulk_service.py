"""A deployed stack that scores files: its bucket, its model, its function."""

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from mypy_boto3_s3 import S3Client

from inference.bulk.distributed import steps
from inference.bulk.distributed.client import make_run, write_sources
from inference.bulk.distributed.run import BulkRun
from inference.bulk.distributed.sources import list_sources
from inference.bulk.request import ScoringRequest
from inference.tables.columns import InputColumns
from inference.tables.ranges import cut_ranges
from tests.cloudformation import deployed
from tests.conftest import HEADLINES, ROOT
from textclf.app import main

TITLES = [line.split("\t")[1] for line in HEADLINES.read_text().splitlines()]
DEFINITION = ROOT / "inference" / "bulk" / "distributed" / "states.asl.json"
CONCURRENCY = 7
RANGE_ROWS = 24
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:stack-bulk"


def definition() -> str:
    """Return the definition with the values that CloudFormation substitutes."""
    values = {"BulkBucket": "files", "BulkConcurrency": str(CONCURRENCY)}
    machine = deployed(**values)["Resources"]["BulkStateMachine"]["Properties"]
    text = DEFINITION.read_text()
    for name, value in machine["DefinitionSubstitutions"].items():
        assert f"${{{name}}}" in text
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text
    # A complete ARN, as the validators and the interpreter demand.
    return text.replace("BulkFunction.Arn", "arn:aws:lambda:us-east-1:123456789012:function:bulk")


@dataclass
class BulkService:
    """The bucket and the model, and what the command does before it starts the state machine."""

    s3: S3Client
    bucket: str
    model_uri: str

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def version_of(self, key: str) -> str:
        """Return the S3 version of an object, which every write changes."""
        return self.s3.head_object(Bucket=self.bucket, Key=key)["VersionId"]

    def prepare(self, key: str = "in/") -> BulkRun:
        """Prepare a run as the command does before it starts the state machine."""
        uri = f"s3://{self.bucket}"
        columns = InputColumns("text", ("id",))
        request = ScoringRequest(f"{uri}/{key}", f"{uri}/out", self.model_uri, columns)
        sources = list_sources(self.s3, self.bucket, request.input)
        run = make_run(self.bucket, sources, request)
        write_sources(self.s3, run, sources)
        return run

    def read_rows(self, manifest: Mapping[str, Any]) -> list[dict[str, str]]:
        """Read the rows of all parts, in order."""
        parts = [gzip.decompress(self.get(part["part"])) for part in manifest["parts"]]
        return [row for part in parts for row in csv.DictReader(io.StringIO(part.decode()))]

    def make_event(self, step: str, run: BulkRun) -> dict[str, Any]:
        """Return the event of a step, with the first file of the input."""
        first = self.get(run.inputs_key).splitlines()[0]
        return {"step": step, "job": run.to_json(), "source": json.loads(first)}


def use_small_ranges(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the steps cut files into ranges of 24 rows, and forget what earlier tests loaded."""
    monkeypatch.setattr(steps, "MODEL_CACHE", folder / "models")
    monkeypatch.setattr(steps, "cut_ranges", partial(cut_ranges, rows=RANGE_ROWS))
    steps._s3.cache_clear()
    steps._load_classifier.cache_clear()


def to_csv(titles: list[str]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerows([("id", "text"), *((f"n{i}", title) for i, title in enumerate(titles))])
    return file.getvalue().encode()


def run_command(
    service: BulkService, monkeypatch: pytest.MonkeyPatch, statuses: Sequence[str], *options: str
) -> int:
    """Run `textclf bulk --stack`, with an execution that has these statuses one after another."""
    stepfunctions = boto3.client("stepfunctions")
    cloudformation = boto3.client("cloudformation")
    lambda_ = boto3.client("lambda")
    clients: dict[str, Any] = {
        "cloudformation": cloudformation,
        "lambda": lambda_,
        "s3": service.s3,
        "stepfunctions": stepfunctions,
    }
    execution = "arn:aws:states:us-east-1:123456789012:execution:stack-bulk:run"
    started: Any = {"executionArn": execution, "startDate": "2026-01-01T00:00:00Z"}
    outputs = {"BulkStateMachine": MACHINE, "BulkBucket": service.bucket, "Function": "function"}
    store, _, _ = service.model_uri.rpartition("/")
    stack: Any = {
        "StackName": "stack",
        "CreationTime": started["startDate"],
        "StackStatus": "CREATE_COMPLETE",
        "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()],
        "Parameters": [
            {"ParameterKey": "ModelStore", "ParameterValue": store},
            # The model that was deployed last, and rolled back since.
            {"ParameterKey": "ModelVersion", "ParameterValue": "00112233445566aa"},
        ],
    }
    with (
        Stubber(stepfunctions) as states,
        Stubber(cloudformation) as stacks,
        Stubber(lambda_) as functions,
    ):
        functions.add_response("get_alias", {"FunctionVersion": "7"})
        variables = {"Variables": {"MODEL_URI": service.model_uri}}
        functions.add_response("get_function_configuration", {"Environment": variables})
        stacks.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "stack"})
        states.add_response("start_execution", started)
        for status in statuses:
            description = {**started, "stateMachineArn": MACHINE, "status": status}
            states.add_response("describe_execution", description)
            states.add_response("list_map_runs", {"mapRuns": []})
        monkeypatch.setattr(boto3, "client", lambda name, **_: clients[name])
        uri = f"s3://{service.bucket}"
        arguments = [f"{uri}/in/", "--output", f"{uri}/out", "--stack", "stack", *options]
        return main(["bulk", *arguments])
