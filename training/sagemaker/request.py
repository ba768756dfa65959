"""The arguments of CreateTrainingJob: machine, image, inputs, hyperparameters, environment.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
"""

import json
import math
from pathlib import Path
from typing import Any

from inference.s3_uri import S3Uri
from training.fit.record import find_source_commit
from training.sagemaker.images import find_image
from training.sagemaker.job import JobOptions, TrainingJob
from training.sagemaker.source import ENTRY

CHANNELS = "/opt/ml/input/data"
# The entry point finds these in the container.
PLACED = {"data", "new_rows", "output", "resume", "overwrite"}
# CloudWatch metrics, read from the lines that a job prints.
METRICS = {
    "train:loss": r"loss ([0-9.]+), validation",
    "validation:macro_f1": r"validation macro-F1 ([0-9.]+)",
    "test:accuracy": r"test accuracy ([0-9.]+)",
    "test:macro_f1": r"test macro-F1 ([0-9.]+)",
}

Request = dict[str, Any]


def describe_job(job: TrainingJob) -> Request:
    """Describe a job as CreateTrainingJob takes it.

    Raises:
        JobError: no image is known for its region or instance type.
    """
    options = job.options
    tags = [tag.split("=", 1) for tag in options.tag]
    described: Request = {
        "TrainingJobName": job.name,
        "RoleArn": job.role,
        "AlgorithmSpecification": {
            "TrainingImage": options.image or find_image(job.region, options.instance_type),
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": name, "Regex": METRICS[name]} for name in METRICS],
        },
        "HyperParameters": encode_hyperparameters(job),
        "Environment": describe_environment(job),
        "InputDataConfig": list_channels(job),
        "OutputDataConfig": describe_output(job),
        "CheckpointConfig": {"S3Uri": str(job.folder / "checkpoints")},
        "ResourceConfig": describe_machine(options),
        "StoppingCondition": limit_time(options),
        "RetryStrategy": {"MaximumRetryAttempts": 2},  # after internal errors of SageMaker
        "EnableManagedSpotTraining": not options.on_demand,
        "EnableNetworkIsolation": options.network_isolation,
        "Tags": [{"Key": key, "Value": value} for key, value in tags],
    }
    if options.subnets:
        described["VpcConfig"] = {
            "Subnets": list(options.subnets),
            "SecurityGroupIds": list(options.security_groups),
        }
    return described


def describe_output(job: TrainingJob) -> Request:
    """Say where the artifacts go, and which key encrypts them."""
    key = {"KmsKeyId": job.options.kms_key} if job.options.kms_key else {}
    return {"S3OutputPath": str(job.output), **key}


def describe_machine(options: JobOptions) -> Request:
    """Describe the instance and its disk."""
    key = {"VolumeKmsKeyId": options.volume_kms_key} if options.volume_kms_key else {}
    return {
        "InstanceType": options.instance_type,
        "InstanceCount": 1,
        "VolumeSizeInGB": options.volume_gb,
        **key,
    }


def limit_time(options: JobOptions) -> dict[str, int]:
    """Limit the hours of training and, for a spot instance, those with waiting for capacity."""
    seconds = math.ceil(options.max_hours * 3600)
    if options.on_demand:
        return {"MaxRuntimeInSeconds": seconds}
    return {"MaxRuntimeInSeconds": seconds, "MaxWaitTimeInSeconds": 2 * seconds}


def list_channels(job: TrainingJob) -> list[Request]:
    """List the folders that SageMaker copies from S3 into the container."""
    folders = {
        "code": str(job.folder / "source"),
        "model": job.settings.base_model if job.settings.base_model.startswith("s3://") else "",
        "new": job.settings.new_rows,
        "wheels": job.options.wheels,
    }
    listed = [_describe_channel("training", job.settings.data)]
    return listed + [
        _describe_channel(name, f"{S3Uri.parse(uri)}/") for name, uri in folders.items() if uri
    ]


def _describe_channel(name: str, uri: str) -> Request:
    """Describe one input: everything under a prefix in S3, and the folder to copy it to."""
    source = {"S3DataType": "S3Prefix", "S3Uri": uri}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def encode_hyperparameters(job: TrainingJob) -> dict[str, str]:
    """Encode the settings, and where to publish, as JSON, which the toolkit decodes.

    The names that start with ``sagemaker_`` tell the toolkit what to run.
    https://github.com/aws/sagemaker-training-toolkit
    """
    values: dict[str, object] = {
        "sagemaker_program": Path(ENTRY).name,
        # A channel instead of S3, because the container may be isolated from the network.
        "sagemaker_submit_directory": f"{CHANNELS}/code/source.tar.gz",
        "store": str(job.store),
        "publish": not job.options.network_isolation,
    }
    if job.allow_worse:
        values["allow-worse"] = True
    placed = PLACED | ({"base_model"} if job.settings.base_model.startswith("s3://") else set())
    settings = job.settings.model_dump(exclude_defaults=True, exclude=placed)
    values |= {name.replace("_", "-"): value for name, value in settings.items()}
    return {name: json.dumps(value) for name, value in values.items()}


def describe_environment(job: TrainingJob) -> dict[str, str]:
    """Describe the container's environment variables."""
    variables = {
        "AWS_DEFAULT_REGION": job.region,
        "SOURCE_COMMIT": find_source_commit() or "unknown",
        "TQDM_DISABLE": "1",  # a progress bar is one endless line in a log
    }
    if job.options.wheels:
        variables |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"{CHANNELS}/wheels"}
    if job.options.network_isolation:
        variables["HF_HUB_OFFLINE"] = "1"
    return variables
