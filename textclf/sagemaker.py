"""Train and retrain on SageMaker."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import boto3
from botocore.config import Config
from cyclopts import Parameter
from pydantic import Field

from inference.s3_uri import S3Uri, S3UriError
from training.fit.settings import Settings
from training.sagemaker import follow as jobs
from training.sagemaker import retraining
from training.sagemaker.job import JobError, JobOptions, TrainingJob, name_job
from training.sagemaker.quota import require_quota

if TYPE_CHECKING:
    from operations.stack import Stack

RETRIES = Config(retries={"mode": "standard", "max_attempts": 8})  # outlasts short outages
NO_OPTIONS = JobOptions()
HIDDEN = Parameter(parse=False)


class JobSettings(Settings):
    """The settings of a job; a job resumes by itself."""

    output: Annotated[str, Field(description="Folder in S3 for source, checkpoints and artifacts.")]
    resume: Annotated[bool, HIDDEN] = False
    overwrite: Annotated[bool, HIDDEN] = False


class RetrainingSettings(JobSettings):
    """The settings of a retraining; the stack's bucket decides the folders."""

    output: Annotated[str, HIDDEN] = ""
    new_rows: Annotated[str, HIDDEN] = "new"  # in the stack's folder


def train(
    *,
    settings: Annotated[JobSettings, Parameter(name="*")],
    role: str,
    store: str = "",
    allow_worse: bool = False,
    options: Annotated[JobOptions, Parameter(name="*", consume_multiple=True)] = NO_OPTIONS,
) -> None:
    r"""Train on SageMaker: start a job, follow it, and print the model URI to deploy.

    The job trains on a spot instance and, if that is interrupted, continues on another one from
    its last checkpoint. It evaluates the model, exports it behind the accuracy gate and publishes
    the bundle to the model store. Ctrl-C stops following, not the job.

    ```
    textclf sagemaker train --task news --data s3://my-data/newsCorpora.csv.xz \
      --output s3://my-jobs/news --role arn:aws:iam::123456789012:role/training
    ```

    All options of `textclf train` apply. `--base-model` and `--new-rows` may be folders in S3.
    Options that take several values take them after one another (`--subnets subnet-1 subnet-2`),
    or repeated.

    Args:
        settings: The settings of the training.
        role: ARN of the role of the job. It needs to read the data, and to write to the output
            folder and the model store.
        store: Model store, `s3://BUCKET/PREFIX`; the folder `models` under the output by default.
        allow_worse: Publish the model even if a linear one, or always the same answer, is better.
        options: The machine that trains.
    """
    output = _parse_option("--output", settings.output)
    job = TrainingJob(
        name=name_job(settings.task, datetime.now(UTC)),
        region=_find_region(),
        role=role,
        output=output,
        store=_parse_option("--store", store) if store else output / "models",
        settings=settings,
        options=options,
        allow_worse=allow_worse,
    )
    require_quota(_client("service-quotas"), options)
    jobs.start(_client("sagemaker"), _client("s3"), job)
    print(f"started {job.name}")
    follow(job.name)


def follow(name: str, /) -> None:
    """Follow a job that was started before, and print its model URI.

    Shows the status and the log until the job ends. Ctrl-C stops following, not the job.

    ```
    textclf sagemaker follow news-20260131-120000
    ```

    Args:
        name: The name of the job, as `textclf sagemaker train` printed it.
    """
    print(jobs.follow(_client("sagemaker"), _client("logs"), _client("s3"), name))


def prepare(
    stack: str,
    /,
    *,
    settings: Annotated[RetrainingSettings, Parameter(name="*")],
    options: Annotated[JobOptions, Parameter(name="*")] = NO_OPTIONS,
) -> None:
    """Prepare the retraining of a deployed stack.

    Uploads the source and the request of the training job to the stack's folder in its
    `RetrainingBucket`, where the stack's state machine finds them. Repeat it after changing code or
    settings. Role, bucket and model store are the stack's; the other options are those of
    `textclf sagemaker train`.

    ```
    textclf sagemaker prepare text-classifier-prod --data s3://my-data/newsCorpora.csv.xz
    aws s3 cp labelled.csv s3://RETRAINING_BUCKET/text-classifier-prod/new/
    aws stepfunctions start-execution --state-machine-arn RETRAINING_STATE_MACHINE
    ```

    Args:
        stack: The name of a stack that was deployed with `RetrainingBucket=BUCKET`.
        settings: The settings of the training.
        options: The machine that trains.
    """
    from operations.stack import Stack

    found = Stack.find(_client("cloudformation"), stack)
    output = _retraining_folder(found)
    new_rows = output / "new"
    job = TrainingJob(
        name=retraining.NAME,
        region=_find_region(),
        role=found.parameters["RetrainingRole"],
        output=output,
        store=S3Uri.parse(found.parameters["ModelStore"]),
        settings=settings.model_copy(update={"new_rows": str(new_rows)}),
        options=options,
    )
    require_quota(_client("service-quotas"), options)
    retraining.prepare(_client("s3"), job)
    print(f"ready; upload new labelled rows to {new_rows}/")


def _retraining_folder(stack: "Stack") -> S3Uri:
    bucket = stack.parameters.get("RetrainingBucket")
    if not bucket:
        raise JobError(
            f"the stack {stack.name} does not retrain: deploy it with RetrainingBucket=BUCKET"
        )
    return S3Uri(bucket, stack.name)


def _find_region() -> str:
    region = boto3.Session().region_name
    if not region:
        raise JobError("no region: set AWS_DEFAULT_REGION, or choose one in your AWS profile")
    return region


def _parse_option(option: str, uri: str) -> S3Uri:
    try:
        return S3Uri.parse(uri)
    except S3UriError as error:
        raise JobError(f"{option}: {error}") from None


def _client(service: str) -> Any:
    return boto3.client(service, config=RETRIES)  # type: ignore[call-overload]
