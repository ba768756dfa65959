"""Starts a run of the stack's state machine, follows it and sums up.

A run's name is made of all that its result depends on, so the same command starts it once: given
again, it goes on following, takes up a failed run where it failed, or tells what is done.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from tqdm import tqdm

from inference.bulk.distributed.steps import Job, Source
from inference.tables.formats import BulkError, Table, format_of
from inference.tables.inputs import split_uri

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

POLL_SECONDS = 5.0
MAX_BYTES = 8 << 30  # of one file: it is read from end to end in 15 minutes, to be cut
MAX_COMPRESSED = 256 << 20  # bytes: each range reads the file up to its own end
UNITS = {"Plan": " files", "Score": " ranges"}  # that the maps of the state machine go through


@dataclass(frozen=True)
class Stack:
    """What is deployed."""

    state_machine: str  # its ARN
    bucket: str
    model_uri: str


def run(options: argparse.Namespace) -> str:
    """Score files with a deployed stack and return what was done, in words.

    Raises:
        BulkError: it cannot be started, or it failed.
    """
    try:
        return _run(
            boto3.client("cloudformation"),
            boto3.client("s3"),
            boto3.client("stepfunctions"),
            options,
        )
    except (BotoCoreError, ClientError) as error:
        raise BulkError(f"AWS: {error}") from error


def _run(
    cloudformation: "CloudFormationClient",
    s3: "S3Client",
    stepfunctions: "SFNClient",
    options: argparse.Namespace,
) -> str:
    stack = find(cloudformation, options.stack)
    sources = list_sources(s3, stack.bucket, options.input, options.format)
    job = make_job(stack, sources, options)
    lines = "".join(json.dumps(asdict(source)) + "\n" for source in sources)
    s3.put_object(Bucket=job.bucket, Key=f"{job.run}/inputs.jsonl", Body=lines.encode())
    execution = start(stepfunctions, stack.state_machine, job)
    print(f"{len(sources)} files, run {execution.rpartition(':')[2]}", file=sys.stderr)
    try:
        follow(stepfunctions, execution)
    except KeyboardInterrupt:
        print("the run itself goes on; the same command comes back to it", file=sys.stderr)
        raise
    manifest = f"{job.run}/manifest.json"
    body = s3.get_object(Bucket=job.bucket, Key=manifest)["Body"].read()
    return summary(json.loads(body)["totals"]) + f"; see s3://{job.bucket}/{manifest}"


def find(cloudformation: "CloudFormationClient", name: str) -> Stack:
    """The parts of a stack that a run needs.

    Raises:
        BulkError: the stack has none of them.
    """
    found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}
    values = {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", [])}
    if "BulkStateMachine" not in outputs:
        raise BulkError(f"the stack {name} scores no files: deploy it with BulkBucket=BUCKET")
    model_uri = f"{values['ModelStore']}/{values['ModelVersion']}"
    return Stack(outputs["BulkStateMachine"], outputs["BulkBucket"], model_uri)


def list_sources(s3: "S3Client", bucket: str, uri: str, said: Table | None) -> list[Source]:
    """The objects to score: one, or with a slash at the end of the URI all that are under it.

    Raises:
        BulkError: there is none, or one that the workers do not read.
    """
    prefix = split_uri(uri.removesuffix("/"))[1] + ("/" if uri.endswith("/") else "")
    _check_bucket(bucket, uri)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    listed = [one for page in pages for one in page.get("Contents", []) if one["Size"]]
    if not prefix.endswith("/"):
        listed = [one for one in listed if one["Key"] == prefix]
    if not listed:
        raise BulkError(f"there is nothing at {uri} (a prefix ends with a slash)")
    return [_source(one["Key"], one["ETag"], one["Size"], said) for one in listed]


def _source(key: str, etag: str, size: int, said: Table | None) -> Source:
    kind = format_of(key, said)
    if kind.table == "parquet" or kind.compression == "zst":
        raise BulkError(f"{key}: the workers read neither Parquet nor zstd")
    limit = MAX_COMPRESSED if kind.compression else MAX_BYTES
    if size > limit:
        how = "compressed files" if kind.compression else "files"
        raise BulkError(f"{key} has {size} bytes: split {how} of more than {limit}")
    return Source(key, etag, size, kind.table, kind.compression)


def _check_bucket(bucket: str, uri: str) -> None:
    if not uri.startswith(f"s3://{bucket}/"):
        raise BulkError(f"{uri} is not in s3://{bucket}, the stack's BulkBucket")


def make_job(stack: Stack, sources: Sequence[Source], options: argparse.Namespace) -> Job:
    """What the steps of the run are told.

    Raises:
        BulkError: the output is where none can be.
    """
    _check_bucket(stack.bucket, options.output)
    _, output = split_uri(options.output.removesuffix("/"))
    if any(source.key.startswith(f"{output}/") for source in sources):
        raise BulkError("the output would be among the input")
    model_uri = options.model_uri or stack.model_uri
    told = (stack.bucket, output, model_uri, options.text_column, tuple(options.keep))
    what = json.dumps([told, [asdict(source) for source in sources]])
    name = hashlib.sha256(what.encode()).hexdigest()[:32]
    return Job(stack.bucket, f"{output}/runs/{name}", *told[1:])


def start(stepfunctions: "SFNClient", state_machine: str, job: Job) -> str:
    """Have the job run, whatever became of it before; the ARN of its execution.

    Raises:
        BulkError: it failed long ago and cannot be taken up again.
    """
    name, given = job.run.rpartition("/")[2], json.dumps(asdict(job))
    try:
        # One that runs under this name with this input is found, not started again.
        return stepfunctions.start_execution(stateMachineArn=state_machine, name=name, input=given)[
            "executionArn"
        ]
    except stepfunctions.exceptions.ExecutionAlreadyExists:
        arn = f"{state_machine.replace(':stateMachine:', ':execution:')}:{name}"
    if stepfunctions.describe_execution(executionArn=arn)["status"] != "SUCCEEDED":
        try:
            stepfunctions.redrive_execution(executionArn=arn)
        except stepfunctions.exceptions.ExecutionNotRedrivable as error:
            raise BulkError("it failed and is too old to go on: choose another --output") from error
    return arn


def follow(stepfunctions: "SFNClient", execution: str, pause: float = POLL_SECONDS) -> None:
    """Show how far an execution is until it ends.

    Raises:
        BulkError: it failed; the message says why.
    """
    bars: dict[str, tqdm[Any]] = {}
    try:
        while True:
            found = stepfunctions.describe_execution(executionArn=execution)
            maps = stepfunctions.list_map_runs(executionArn=execution)["mapRuns"]
            for arn in sorted(one["mapRunArn"] for one in maps):
                _show(stepfunctions, arn, bars)
            if found["status"] != "RUNNING":
                break
            time.sleep(pause)
    finally:
        for bar in bars.values():
            bar.close()
    if found["status"] != "SUCCEEDED":
        told = [_failure(stepfunctions, one["mapRunArn"]) for one in maps]
        cause = "; ".join(filter(None, told)) or _message(found.get("cause", ""))
        error = found.get("error", found["status"])
        raise BulkError(f"{error}: {cause} (the same command tries the rest again)")


def _show(stepfunctions: "SFNClient", arn: str, bars: dict[str, "tqdm[Any]"]) -> None:
    counts = stepfunctions.describe_map_run(mapRunArn=arn)["itemCounts"]
    if arn not in bars:
        label = arn.rpartition("/")[2].partition(":")[0]
        bars[arn] = tqdm(desc=label, unit=UNITS.get(label, ""), mininterval=1)
    bar = bars[arn]
    bar.total = counts["total"]
    bar.update(counts["succeeded"] + counts["failed"] + counts["timedOut"] - bar.n)


def _failure(stepfunctions: "SFNClient", map_run: str) -> str:
    """Why the latest failed child of a map failed; empty if none did."""
    failed = stepfunctions.list_executions(mapRunArn=map_run, statusFilter="FAILED", maxResults=1)[
        "executions"
    ]
    if not failed:
        return ""
    arn = failed[0]["executionArn"]
    found = stepfunctions.describe_execution(executionArn=arn)
    return _message(found.get("cause", "")) or found.get("error", "")


def _message(cause: str) -> str:
    """The message in what a Lambda function leaves as the cause."""
    try:
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        return cause


def summary(totals: dict[str, Any]) -> str:
    """What was done, in words."""
    done = f"{totals['rows']} rows in {totals['parts']} parts"
    if totals["rejected"]:
        done += f"; {totals['rejected']} rejected"
    if totals["failed_ranges"]:
        done += f"; {totals['failed_ranges']} ranges failed and are missing"
    return done
