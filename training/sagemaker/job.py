"""A training job: what it trains, on which machine, and where its files go."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from inference.errors import TextClassifierError
from inference.s3_uri import S3Uri, S3UriError
from training.fit.settings import Settings

ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
TASK_IN_NAME = 40  # characters; SageMaker allows 63 in the name of a job


class JobError(TextClassifierError):
    """A job cannot be started, or it failed; the message says why."""


def _require_key_and_value(tag: str) -> str:
    if "=" not in tag:
        raise ValueError("give KEY=VALUE")
    return tag


class JobOptions(BaseModel):
    """Machine, network and encryption of a job; each field is an option of the command line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instance_type: Annotated[str, Field(description="Instance type, with a GPU or without.")] = (
        "ml.g4dn.xlarge"
    )
    image: Annotated[
        str, Field(description="Training image; AWS's own for region and instance type by default.")
    ] = ""
    on_demand: Annotated[
        bool, Field(description="Don't use a spot instance: costs more, is never interrupted.")
    ] = False
    max_hours: Annotated[
        float, Field(gt=0, allow_inf_nan=False, description="Stop training after this many hours.")
    ] = 6.0
    volume_gb: Annotated[int, Field(ge=1, description="Disk size in GB.")] = 50
    tag: Annotated[
        tuple[Annotated[str, AfterValidator(_require_key_and_value)], ...],
        Field(description="KEY=VALUE; may be repeated."),
    ] = ()
    subnets: Annotated[
        tuple[str, ...], Field(description="Subnets of the VPC to run in; one or several.")
    ] = ()
    security_groups: Annotated[
        tuple[str, ...], Field(description="Security groups of the VPC to run in; one or several.")
    ] = ()
    kms_key: Annotated[str, Field(description="Key that encrypts source and artifacts.")] = ""
    volume_kms_key: Annotated[
        str, Field(description="Key that encrypts the disk, unless it is local NVMe storage.")
    ] = ""
    network_isolation: Annotated[
        bool, Field(description="Run without any network; needs --wheels.")
    ] = False
    wheels: Annotated[
        str, Field(description="S3 folder of wheels to install from, instead of a package index.")
    ] = ""

    @model_validator(mode="after")
    def _check_network(self) -> Self:
        if bool(self.subnets) != bool(self.security_groups):
            raise ValueError("give both --subnets and --security-groups, or neither")
        if self.network_isolation and not self.wheels:
            raise ValueError(
                "--network-isolation cuts the container off from the package index: upload the "
                "wheels it must install to S3 and give --wheels s3://BUCKET/PREFIX"
            )
        return self


@dataclass(frozen=True)
class TrainingJob:
    """A training run on SageMaker.

    Raises:
        JobError: the job would fail; the message names the option to change.
    """

    name: str
    region: str
    role: str  # ARN
    output: S3Uri  # for source, checkpoints and artifacts
    store: S3Uri  # for the bundle
    settings: Settings
    options: JobOptions
    allow_worse: bool = False  # publish a model that is worse than a linear one, too

    def __post_init__(self) -> None:
        if not ROLE_ARN.fullmatch(self.role):
            raise JobError(
                f"--role {self.role}: give the ARN of a role, arn:aws:iam::ACCOUNT:role/NAME"
            )
        self._check_settings()

    def _check_settings(self) -> None:
        base_model, new_rows = self.settings.base_model, self.settings.new_rows
        try:
            S3Uri.parse_object(self.settings.data)
        except S3UriError as error:
            raise JobError(f"--data: {error}") from None
        if self.settings.teachers:
            raise JobError("--teachers names folders on this machine, which a job cannot read")
        if new_rows and not new_rows.startswith("s3://"):
            raise JobError(f"--new-rows {new_rows}: a job cannot read this folder; upload it to S3")
        if Path(base_model).is_dir():
            raise JobError(
                f"--base-model {base_model}: a job cannot read this folder; upload it to S3, "
                "or give a hub id"
            )
        if self.options.network_isolation and not base_model.startswith("s3://"):
            raise JobError(
                "--network-isolation cuts the container off from the model hub: upload the base "
                "model's folder to S3 and give --base-model s3://BUCKET/PREFIX"
            )

    @property
    def folder(self) -> S3Uri:
        """The job's own folder in S3."""
        return self.output / self.name


def name_job(task: str, time: datetime) -> str:
    """Name a job after its task and the time, such as ``news-20260131-120000``."""
    words = re.sub(r"[^a-zA-Z0-9]+", "-", task)[:TASK_IN_NAME].strip("-")
    return f"{words or 'job'}-{time:%Y%m%d-%H%M%S}"
