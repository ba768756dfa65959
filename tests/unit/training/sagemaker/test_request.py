"""The arguments of CreateTrainingJob, all accepted by botocore's model."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.sagemaker import NAME, make_job, require_valid_request
from training.sagemaker.job import JobError, JobOptions
from training.sagemaker.request import describe_job


def described(**values: Any) -> dict[str, Any]:
    found = describe_job(make_job(**values))
    require_valid_request("sagemaker", "CreateTrainingJob", found)
    return found


def channels(found: dict[str, Any]) -> dict[str, str]:
    return {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
        for channel in found["InputDataConfig"]
    }


def test_by_default_a_job_is_a_spot_instance_with_a_gpu_and_checkpoints() -> None:
    found = described()
    assert found["EnableManagedSpotTraining"] is True
    assert found["ResourceConfig"]["InstanceType"] == "ml.g4dn.xlarge"
    assert "huggingface-pytorch-training" in found["AlgorithmSpecification"]["TrainingImage"]
    assert found["CheckpointConfig"]["S3Uri"] == f"s3://jobs/news/{NAME}/checkpoints"
    limits = found["StoppingCondition"]
    assert limits["MaxWaitTimeInSeconds"] > limits["MaxRuntimeInSeconds"] > 0


def test_hyperparameters_are_json_and_only_the_settings_that_were_chosen() -> None:
    found = described(task="t", text_column="1", label_column="y", epochs=2)
    chosen = {
        name: json.loads(value)
        for name, value in found["HyperParameters"].items()
        if not name.startswith("sagemaker_")
    }
    assert chosen == {
        "store": "s3://jobs/news/models",
        "publish": True,
        "task": "t",
        "text-column": "1",
        "label-column": "y",
        "epochs": 2.0,
    }


def test_a_job_is_told_to_accept_a_model_that_is_worse_than_a_linear_one() -> None:
    found = describe_job(replace(make_job(), allow_worse=True))
    require_valid_request("sagemaker", "CreateTrainingJob", found)
    assert found["HyperParameters"]["allow-worse"] == "true"


def test_data_and_source_are_copied_into_the_container() -> None:
    assert channels(described()) == {
        "training": "s3://data/news.csv.xz",
        "code": f"s3://jobs/news/{NAME}/source/",
    }


def test_a_base_model_and_new_rows_in_s3_are_copied_too() -> None:
    found = described(base_model="s3://models/base", new_rows="s3://rows/new/", new_rows_times=3)
    assert channels(found)["model"] == "s3://models/base/"
    assert channels(found)["new"] == "s3://rows/new/"
    assert not {"base-model", "new-rows"} & found["HyperParameters"].keys()
    assert found["HyperParameters"]["new-rows-times"] == "3"


def test_a_base_model_of_the_hub_is_a_hyperparameter() -> None:
    found = described(base_model="bert-base-uncased")
    assert "model" not in channels(found)
    assert found["HyperParameters"]["base-model"] == '"bert-base-uncased"'


def test_a_job_on_demand_does_not_wait_for_capacity() -> None:
    found = described(options=JobOptions(on_demand=True, max_hours=0.5))
    assert found["EnableManagedSpotTraining"] is False
    assert found["StoppingCondition"] == {"MaxRuntimeInSeconds": 1800}


def test_tags_and_vpc_are_passed_on() -> None:
    options = JobOptions(
        tag=("team=news", "cost=a=b"),
        subnets=("subnet-1", "subnet-2"),
        security_groups=("sg-1",),
    )
    found = described(options=options)
    assert found["Tags"] == [{"Key": "team", "Value": "news"}, {"Key": "cost", "Value": "a=b"}]
    expected = {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert found["VpcConfig"] == expected


def test_an_isolated_job_has_everything_in_channels() -> None:
    options = JobOptions(network_isolation=True, wheels="s3://jobs/wheels")
    found = described(options=options, base_model="s3://models/base")
    assert found["EnableNetworkIsolation"] is True
    assert channels(found).keys() == {"training", "code", "model", "wheels"}
    assert found["Environment"]["PIP_NO_INDEX"] == "1"
    assert found["HyperParameters"]["publish"] == "false"
    assert found["HyperParameters"]["sagemaker_submit_directory"].startswith('"/opt/ml/input')


def test_keys_encrypt_artifacts_and_disk() -> None:
    found = described(options=JobOptions(kms_key="key-1", volume_kms_key="key-2"))
    assert found["OutputDataConfig"]["KmsKeyId"] == "key-1"
    assert found["ResourceConfig"]["VolumeKmsKeyId"] == "key-2"


def test_an_image_of_ones_own_replaces_that_of_aws() -> None:
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"
    options = JobOptions(image=image, instance_type="ml.trn1.2xlarge")
    assert described(options=options)["AlgorithmSpecification"]["TrainingImage"] == image


def test_an_instance_without_an_image_is_refused() -> None:
    with pytest.raises(JobError, match="--instance-type"):
        described(options=JobOptions(instance_type="ml.trn1.2xlarge"))
