r"""Train on SageMaker: start a job, follow it, and print the model URI to deploy.

    python -m training.sagemaker.job --task news --data s3://my-data/newsCorpora.csv.xz \
        --output s3://my-jobs/news --role arn:aws:iam::123456789012:role/training
    python -m training.sagemaker.job --attach news-20260131-120000

Every option of training.fit.train may be added; --base-model may be in S3. The job trains on a spot
instance, and goes on from its last checkpoint on another one if that is taken away; it evaluates,
exports behind the accuracy gate, and publishes to the model store. Ctrl-C ends following, not the
job.
"""

import argparse
import json
import re
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from inference.model.bundle import BundleError, read_verified
from inference.model.publish import PublishError, model_uri, parse_store, publish
from training.fit.settings import Settings, parse
from training.sagemaker.request import Job, JobError, check, image_uri, request, source_archive

Client = Any  # botocore makes the clients' methods from AWS's models at run time

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
ENDED = ("Completed", "Failed", "Stopped")
POLL_SECONDS = 10
LATE_SECONDS = 60  # log lines may become visible so late, and out of order
DETACHED = 130  # the exit code a shell gives Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    """Start or attach, and follow to the end; returns the exit code."""
    parser = option_parser()
    options, others = parser.parse_known_args(arguments)
    name: str | None = options.attach
    if name and others:
        parser.error(f"--attach takes no other option: {' '.join(others)}")
    if not name and not (options.output and options.role):
        parser.error("give --data, --output and --role, or --attach")
    try:
        if not name:
            job, settings = plan(options, others)
            start(client("sagemaker"), client("s3"), job, settings)
            name = job.name
            print(f"started {name}")
        print(follow(client("sagemaker"), client("logs"), client("s3"), name))
    except KeyboardInterrupt:
        print("\nno longer following" + (again(name) if name else ""), file=sys.stderr)
        return DETACHED
    except (BotoCoreError, ClientError) as error:
        print(f"error: {error}" + (again(name) if name else ""), file=sys.stderr)
        return 1
    except (JobError, BundleError, PublishError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def option_parser() -> argparse.ArgumentParser:
    """The options beside those of training.fit.train."""
    parser = argparse.ArgumentParser(
        prog="python -m training.sagemaker.job",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--attach", metavar="NAME", help="follow a job that was started before")
    add("--output", metavar="s3://BUCKET/PREFIX", help="for source, checkpoints and artifacts")
    add("--role", metavar="ARN", help="what the job may do: read the data, write output and store")
    add("--store", metavar="s3://BUCKET/PREFIX", help="the model store (default: OUTPUT/models)")
    add("--instance-type", default="ml.g4dn.xlarge", help="(default: %(default)s)")
    add("--image", help="another image than the AWS one for region and instance type")
    add("--on-demand", action="store_true", help="no spot instance: dearer, and never taken away")
    add("--max-hours", type=float, default=6.0, help="of training (default: %(default)s)")
    add("--volume-gb", type=int, default=50, help="disk (default: %(default)s)")
    add("--tag", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")
    add("--subnets", nargs="+", default=[], help="of a VPC to run in")
    add("--security-groups", nargs="+", default=[], help="of that VPC")
    add("--kms-key", default="", help="that encrypts source and artifacts")
    add("--volume-kms-key", default="", help="for the disk; not for types with a disk of their own")
    add("--network-isolation", action="store_true", help="no network at all; needs --wheels")
    add("--wheels", default="", metavar="s3://BUCKET/PREFIX", help="install from here, no index")
    return parser


def plan(options: argparse.Namespace, others: Sequence[str]) -> tuple[Job, Settings]:
    """The job and its training settings, from the command line.

    Raises:
        JobError, PublishError: something is missing or of the wrong form.
    """
    settings = parse("", [*others, "--output", options.output])
    region = boto3.Session().region_name
    if not region:
        raise JobError("no region: set AWS_DEFAULT_REGION, or choose one in your AWS profile")
    store = options.store or f"{options.output.rstrip('/')}/models"
    for uri in (options.output, store):
        parse_store(uri)
    if unfit := [tag for tag in options.tag if "=" not in tag]:
        raise JobError(f"--tag {unfit[0]}: give KEY=VALUE")
    task = re.sub(r"[^a-zA-Z0-9]+", "-", settings.task).strip("-")[:40] or "job"
    asked = vars(options) | {
        "name": f"{task}-{datetime.now(UTC):%Y%m%d-%H%M%S}",
        "region": region,
        "store": store,
        "image": options.image or image_uri(region, options.instance_type),
        "tags": dict(tag.split("=", 1) for tag in options.tag),
    }
    job = Job(**{name: asked[name] for name in Job.__dataclass_fields__})
    check(job, settings)
    return job, settings


def start(sagemaker: Client, s3: Client, job: Job, settings: Settings) -> None:
    """Upload the source and create the job."""
    upload_source(s3, job)
    sagemaker.create_training_job(**request(job, settings))


def upload_source(s3: Client, job: Job) -> None:
    """Put what runs in the container where the job's channel ``code`` is."""
    bucket, prefix = parse_store(f"{job.folder}/source")
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": job.kms_key}
    s3.put_object(
        Bucket=bucket,
        Key=f"{prefix}source.tar.gz",
        Body=source_archive(),
        **(encryption if job.kms_key else {}),
    )


def follow(sagemaker: Client, logs: Client, s3: Client, name: str) -> str:
    """Show status and log until the job ends; returns the model URI.

    Raises:
        JobError: the job has failed, or was stopped.
    """
    told, log = 0, Log(logs, name)
    while True:
        job = sagemaker.describe_training_job(TrainingJobName=name)
        transitions = job.get("SecondaryStatusTransitions", [])
        for step in transitions[told:]:
            after = str(step["StartTime"] - job["CreationTime"]).partition(".")[0]
            print(f"[{after}] {step['Status']}: {step.get('StatusMessage', '')}")
        told = len(transitions)
        ended = job["TrainingJobStatus"] in ENDED
        if ended:
            time.sleep(POLL_SECONDS)  # the last lines need a while to become visible
        for line in log.new_lines():
            print(line)
        if ended:
            break
        time.sleep(POLL_SECONDS)
    if "BillableTimeInSeconds" in job:
        times = job["TrainingTimeInSeconds"], job["BillableTimeInSeconds"]
        print("trained {:.0f} minutes, billed {:.0f}".format(*(time / 60 for time in times)))
    if job["TrainingJobStatus"] == "Failed":
        raise JobError(f"{name} has failed: {job.get('FailureReason', 'no reason given')}")
    if job["TrainingJobStatus"] == "Stopped":
        raise JobError(f"{name} has not finished: {job['SecondaryStatus']}")
    return collect(s3, job)


class Log:
    """The log lines of a job, over all the instances it ran on."""

    def __init__(self, client: Client, name: str):
        self._client = client
        self._streams = f"{name}/"
        self._seen: set[str] = set()
        self._newest = 0  # milliseconds since the epoch

    def new_lines(self) -> Iterator[str]:
        """The lines not given before, oldest first."""
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=LOG_GROUP,
            logStreamNamePrefix=self._streams,
            startTime=max(0, self._newest - LATE_SECONDS * 1000),
        )
        try:
            for page in pages:
                for event in page["events"]:
                    if event["eventId"] not in self._seen:
                        self._seen.add(event["eventId"])
                        self._newest = max(self._newest, event["timestamp"])
                        yield event["message"].rstrip()
        except self._client.exceptions.ResourceNotFoundException:
            return  # nothing was ever logged by any job of this account


def collect(s3: Client, job: dict[str, Any]) -> str:
    """Read what a completed job made, publish it if the job could not, and return its URI.

    Raises:
        BundleError: the artifact holds no whole bundle.
        PublishError: the store holds other content under this version.
    """
    store: str = json.loads(job["HyperParameters"]["store"])
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    with tempfile.TemporaryDirectory() as temporary:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
        with tarfile.open(fileobj=body, mode="r|gz") as tar:
            tar.extractall(temporary, filter="data")
        folder = Path(temporary) / "bundle"
        manifest, version = read_verified(folder)
        if job["EnableNetworkIsolation"]:
            publish(s3, folder, store)
    int8, baseline = manifest.metrics["int8"], manifest.metrics["baseline"]
    print(
        f"accuracy {int8['accuracy']:.2%} (baseline {baseline['accuracy']:.2%}), "
        f"macro-F1 {int8['macro_f1']:.4f}, calibration error {int8['calibration_error']:.4f}"
    )
    return model_uri(store, version)


def client(service: str) -> Client:
    """A client that keeps trying through short outages."""
    retries = Config(retries={"mode": "standard", "max_attempts": 8})
    return boto3.client(service, config=retries)  # type: ignore[call-overload]


def again(name: str) -> str:
    """How to come back to a job."""
    return f"\nto follow the job: python -m training.sagemaker.job --attach {name}"


if __name__ == "__main__":
    sys.exit(main())
