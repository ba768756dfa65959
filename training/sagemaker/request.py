"""What a SageMaker training job is made of: image, source, channels, hyperparameters."""

import io
import json
import re
import tarfile
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from training.fit.record import source_commit
from training.fit.settings import Settings

SOURCE = Path(__file__).parents[2]
PACKAGED = ("training", "inference")  # folders; what runs in the container imports both
ENTRY = Path("training/sagemaker/entry.py")
CHANNELS = "/opt/ml/input/data"

# Torch 2.9 in both; the Hugging Face image is there for GPUs only.
# https://aws.github.io/deep-learning-containers/reference/available_images/
GPU_IMAGE = "huggingface-pytorch-training:2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04"
CPU_IMAGE = "pytorch-training:2.9.0-cpu-py312-ubuntu22.04-sagemaker"
# Who owns the images: one account for the older regions, one for each newer.
# https://aws.github.io/deep-learning-containers/reference/region_availability/
IMAGE_ACCOUNTS = dict.fromkeys(
    [
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
        *("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3"),
        *("ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
    ],
    "763104351884",
) | {
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-northeast-3": "364406365360",
    "ap-south-2": "772153158452",
    "ap-southeast-3": "907027046896",
    "ap-southeast-4": "457447274322",
    "ca-west-1": "204538143572",
    "eu-central-2": "380420809688",
    "eu-south-1": "692866216735",
    "eu-south-2": "503227376785",
    "il-central-1": "780543022126",
    "me-central-1": "914824155844",
    "me-south-1": "217643126080",
}

# What the lines that a job prints say, as metrics in CloudWatch.
METRICS = {
    "train:loss": r"loss ([0-9.]+), validation",
    "validation:macro_f1": r"validation macro-F1 ([0-9.]+)",
    "test:accuracy": r"test accuracy ([0-9.]+)",
    "test:macro_f1": r"test macro-F1 ([0-9.]+)",
}


class JobError(Exception):
    """The job cannot be started, or has failed; the message says why."""


@dataclass(frozen=True)
class Job:
    """What is asked of SageMaker, beside the training settings."""

    name: str
    region: str
    role: str
    output: str  # s3://BUCKET/PREFIX for source, checkpoints and artifacts
    store: str
    image: str
    instance_type: str
    volume_gb: int
    max_hours: float
    on_demand: bool
    tags: dict[str, str]
    subnets: list[str]
    security_groups: list[str]
    kms_key: str
    volume_kms_key: str
    network_isolation: bool
    wheels: str

    @property
    def folder(self) -> str:
        """The job's own place in S3."""
        return f"{self.output.rstrip('/')}/{self.name}"


def check(job: Job, settings: Settings) -> None:
    """Find before the job starts what would fail it later.

    Raises:
        JobError: an option is not what it must be; the message says which.
    """
    if not re.fullmatch(r"s3://[^/]+/.*[^/]", settings.data):
        raise JobError(f"--data {settings.data}: give one file, s3://BUCKET/KEY")
    if Path(settings.base_model).is_dir():
        raise JobError(f"--base-model {settings.base_model}: put the folder into S3, or give an id")
    if settings.teachers or settings.new_rows:
        raise JobError("--teachers and --new-rows are folders of one machine: a job has none")
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", job.role):
        raise JobError(f"--role {job.role}: give a role's ARN, arn:aws:iam::ACCOUNT:role/NAME")
    if bool(job.subnets) != bool(job.security_groups):
        raise JobError("give both --subnets and --security-groups, or none")
    if job.network_isolation and not job.wheels:
        raise JobError(
            "--network-isolation: the container reaches no package index; put the wheels of what "
            "it must install into S3 and give --wheels s3://BUCKET/PREFIX (README: SageMaker)"
        )
    if job.network_isolation and not settings.base_model.startswith("s3://"):
        raise JobError(
            "--network-isolation: the container reaches no model hub; put the base model's folder "
            "into S3 and give --base-model s3://BUCKET/PREFIX"
        )


def image_uri(region: str, instance_type: str) -> str:
    """The AWS image for an instance type.

    Raises:
        JobError: there is none that is known.
    """
    family = re.match(r"ml\.([a-z]+)", instance_type)
    if not family or family[1] in ("trn", "inf"):
        raise JobError(f"--instance-type {instance_type}: give one with GPUs, or a CPU, as ml.…")
    if region not in IMAGE_ACCOUNTS:
        raise JobError(f"no account of AWS images is known for {region}: give --image")
    image = GPU_IMAGE if family[1] in ("g", "p") else CPU_IMAGE
    return f"{IMAGE_ACCOUNTS[region]}.dkr.ecr.{region}.amazonaws.com/{image}"


def requirements() -> str:
    """Pinned versions of what training needs; the image's own torch, made for its CUDA, stays."""
    groups = tomllib.loads((SOURCE / "pyproject.toml").read_text())["dependency-groups"]

    def members(group: str) -> list[str]:
        return [
            name
            for entry in groups[group]
            for name in (members(entry["include-group"]) if isinstance(entry, dict) else [entry])
        ]

    return "\n".join(["-c constraints.txt", *_without_torch(members("training"))]) + "\n"


def _without_torch(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("torch==")]


def source_archive() -> bytes:
    """A .tar.gz of what runs in the container, and its requirements."""
    constraints = _without_torch((SOURCE / "constraints.txt").read_text().splitlines())
    texts = {
        "requirements.txt": requirements(),
        "constraints.txt": "\n".join(constraints) + "\n",
        ENTRY.name: (SOURCE / ENTRY).read_text(),  # where `import training` finds the package
    }
    files = sorted(file for folder in PACKAGED for file in (SOURCE / folder).rglob("*.py"))
    texts |= {file.relative_to(SOURCE).as_posix(): file.read_text() for file in files}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, text in texts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return archive.getvalue()


def request(job: Job, settings: Settings) -> dict[str, Any]:
    """The arguments of CreateTrainingJob.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
    """
    seconds = round(job.max_hours * 3600)
    stopping = {"MaxRuntimeInSeconds": seconds}
    if not job.on_demand:
        stopping["MaxWaitTimeInSeconds"] = 2 * seconds  # waiting for spot capacity included
    asked: dict[str, Any] = {
        "TrainingJobName": job.name,
        "RoleArn": job.role,
        "AlgorithmSpecification": {
            "TrainingImage": job.image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": name, "Regex": METRICS[name]} for name in METRICS],
        },
        "HyperParameters": hyperparameters(job, settings),
        "Environment": environment(job),
        "InputDataConfig": [channel(name, uri) for name, uri in channels(job, settings).items()],
        "OutputDataConfig": {"S3OutputPath": job.output},
        "CheckpointConfig": {"S3Uri": f"{job.folder}/checkpoints"},
        "ResourceConfig": {
            "InstanceType": job.instance_type,
            "InstanceCount": 1,
            "VolumeSizeInGB": job.volume_gb,
        },
        "StoppingCondition": stopping,
        "RetryStrategy": {"MaximumRetryAttempts": 2},  # of SageMaker's own faults
        "EnableManagedSpotTraining": not job.on_demand,
        "EnableNetworkIsolation": job.network_isolation,
        "Tags": [{"Key": key, "Value": value} for key, value in job.tags.items()],
    }
    if job.kms_key:
        asked["OutputDataConfig"]["KmsKeyId"] = job.kms_key
    if job.volume_kms_key:
        asked["ResourceConfig"]["VolumeKmsKeyId"] = job.volume_kms_key
    if job.subnets:
        asked["VpcConfig"] = {"Subnets": job.subnets, "SecurityGroupIds": job.security_groups}
    return asked


def channel(name: str, uri: str) -> dict[str, Any]:
    """An input of a job: all that is under a prefix in S3, by the folder it comes to."""
    source = {"S3DataType": "S3Prefix", "S3Uri": uri}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def channels(job: Job, settings: Settings) -> dict[str, str]:
    """What SageMaker copies from S3 into the container, by the folder it comes to."""
    found = {"training": settings.data, "code": f"{job.folder}/source/"}
    if settings.base_model.startswith("s3://"):
        found["model"] = settings.base_model.rstrip("/") + "/"
    if job.wheels:
        found["wheels"] = job.wheels.rstrip("/") + "/"
    return found


def hyperparameters(job: Job, settings: Settings) -> dict[str, str]:
    """The toolkit's own and the entry's command line, in JSON, which the toolkit decodes."""
    values: dict[str, object] = {
        "sagemaker_program": ENTRY.name,
        # A channel, not S3: the container may be cut off from it.
        "sagemaker_submit_directory": f"{CHANNELS}/code/source.tar.gz",
        "store": job.store,
        "publish": not job.network_isolation,
    }
    placed = {"data", "new_rows", "output", "resume"}  # which the entry finds in the container
    if settings.base_model.startswith("s3://"):
        placed.add("base_model")
    given = asdict(settings)
    for option in fields(Settings):
        if option.name not in placed and given[option.name] != option.default:
            values[option.name.replace("_", "-")] = given[option.name]
    return {name: json.dumps(value) for name, value in values.items()}


def environment(job: Job) -> dict[str, str]:
    """The container's environment variables."""
    variables = {
        "AWS_DEFAULT_REGION": job.region,
        "SOURCE_COMMIT": source_commit() or "unknown",
        "TQDM_DISABLE": "1",  # a bar is one endless line in a log
    }
    if job.wheels:
        variables |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"{CHANNELS}/wheels"}
    if job.network_isolation:
        variables["HF_HUB_OFFLINE"] = "1"
    return variables
