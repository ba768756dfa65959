"""Start a training job, show its status and log until it ends, and collect its bundle."""

import json
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from inference.errors import InterruptedRunError
from inference.model.bundle import Manifest, read_verified
from inference.model.publish import publish
from inference.s3_uri import S3Uri
from training.sagemaker.job import JobError, TrainingJob
from training.sagemaker.request import describe_job
from training.sagemaker.source import build_source_archive

Client = Any  # boto3 builds the methods of its clients at run time

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
ENDED = ("Completed", "Failed", "Stopped")
POLL_SECONDS = 10
LATE_SECONDS = 60  # CloudWatch may show log lines this late, and out of order


def start(sagemaker: Client, s3: Client, job: TrainingJob) -> None:
    """Upload the source and create the job.

    Raises:
        JobError: no image is known for its region or instance type.
    """
    described = describe_job(job)
    upload_source(s3, job)
    sagemaker.create_training_job(**described)


def upload_source(s3: Client, job: TrainingJob) -> None:
    """Put the source archive where the job's channel ``code`` reads it."""
    bucket, key = job.folder / "source/source.tar.gz"
    kms_key = job.options.kms_key
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
    s3.put_object(Bucket=bucket, Key=key, Body=build_source_archive(), **encryption)


def follow(sagemaker: Client, logs: Client, s3: Client, name: str) -> str:
    """Print status and log of a job until it ends, and return its model URI.

    Raises:
        JobError: the job failed or was stopped, or AWS cannot be reached.
        InterruptedRunError: the user pressed Ctrl-C; the job continues.
        BundleError: the artifact holds no complete bundle.
        PublishError: the store holds other content under this version.
    """
    with _explaining_how_to_return(name):
        described = _wait(sagemaker, logs, name)
        if "BillableTimeInSeconds" in described:
            trained, billed = described["TrainingTimeInSeconds"], described["BillableTimeInSeconds"]
            print(f"trained {trained / 60:.0f} minutes, billed {billed / 60:.0f}")
        if described["TrainingJobStatus"] == "Failed":
            raise JobError(f"{name} failed: {described.get('FailureReason', 'no reason given')}")
        if described["TrainingJobStatus"] == "Stopped":
            raise JobError(f"{name} did not finish: {described['SecondaryStatus']}")
        return collect(s3, described)


@contextmanager
def _explaining_how_to_return(name: str) -> Iterator[None]:
    hint = f"the job continues; to follow it again: textclf sagemaker follow {name}"
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(f"no longer following {name}; {hint}") from None
    except (BotoCoreError, ClientError) as error:
        raise JobError(f"AWS: {error}; {hint}") from error


def _wait(sagemaker: Client, logs: Client, name: str) -> dict[str, Any]:
    """Print status and log until the job ends; return its description."""
    shown, log = 0, JobLog(logs, name)
    while True:
        job: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
        transitions = job.get("SecondaryStatusTransitions", [])
        for transition in transitions[shown:]:
            elapsed = str(transition["StartTime"] - job["CreationTime"]).partition(".")[0]
            print(f"[{elapsed}] {transition['Status']}: {transition.get('StatusMessage', '')}")
        shown = len(transitions)
        ended = job["TrainingJobStatus"] in ENDED
        if ended:
            time.sleep(POLL_SECONDS)  # until CloudWatch shows the last lines
        for line in log.read_new_lines():
            print(line)
        if ended:
            return job
        time.sleep(POLL_SECONDS)


class JobLog:
    """The log lines of a job, from all the instances it ran on."""

    def __init__(self, client: Client, name: str):
        self._client = client
        self._streams = f"{name}/"
        self._seen: set[str] = set()
        self._newest = 0  # milliseconds since the epoch

    def read_new_lines(self) -> Iterator[str]:
        """Yield the lines that were not read before, oldest first."""
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=LOG_GROUP,
            logStreamNamePrefix=self._streams,
            startTime=max(0, self._newest - LATE_SECONDS * 1000),
        )
        try:
            events = [event for page in pages for event in page["events"]]
        except self._client.exceptions.ResourceNotFoundException:
            return  # no job of this account has logged anything yet
        for event in events:
            if event["eventId"] not in self._seen:
                self._seen.add(event["eventId"])
                self._newest = max(self._newest, event["timestamp"])
                yield event["message"].rstrip()


def collect(s3: Client, described: dict[str, Any]) -> str:
    """Print the figures of a completed job, publish its bundle if it could not, return its URI.

    Args:
        s3: a client.
        described: the answer of DescribeTrainingJob.

    Raises:
        BundleError: the artifact holds no complete bundle.
        PublishError: the store holds other content under this version.
    """
    store = S3Uri.parse(json.loads(described["HyperParameters"]["store"]))
    bucket, key = S3Uri.parse(described["ModelArtifacts"]["S3ModelArtifacts"])
    with tempfile.TemporaryDirectory() as temporary:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
        with tarfile.open(fileobj=body, mode="r|gz") as tar:
            tar.extractall(temporary, filter="data")
        folder = Path(temporary) / "bundle"
        bundle = read_verified(folder)
        if described["EnableNetworkIsolation"]:
            publish(s3, folder, str(store))
    _print_figures(bundle.manifest)
    return str(store / bundle.version)


def _print_figures(manifest: Manifest) -> None:
    int8, baseline = manifest.metrics["int8"], manifest.metrics["baseline"]
    # Of models that may give a text several labels, micro-F1 is what others call accuracy.
    name, key = ("micro-F1", "micro_f1") if manifest.labelling else ("accuracy", "accuracy")
    print(
        f"{name} {int8[key]:.2%} (baseline {baseline[key]:.2%}), "
        f"macro-F1 {int8['macro_f1']:.4f}, calibration error {int8['calibration_error']:.4f}"
    )
