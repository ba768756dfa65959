"""The images that training jobs run in."""

import pytest

from training.sagemaker.images import find_image
from training.sagemaker.job import JobError


@pytest.mark.parametrize(
    ("region", "instance_type", "image"),
    [
        ("us-east-1", "ml.g4dn.12xlarge", "763104351884.dkr.ecr.us-east-1.amazonaws.com/hugging"),
        ("eu-south-1", "ml.p4d.24xlarge", "692866216735.dkr.ecr.eu-south-1.amazonaws.com/hugging"),
        ("eu-west-1", "ml.c5.xlarge", "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-"),
    ],
)
def test_the_image_depends_on_the_region_and_on_whether_there_is_a_gpu(
    region: str, instance_type: str, image: str
) -> None:
    assert find_image(region, instance_type).startswith(image)


def test_a_region_without_a_known_account_needs_an_image() -> None:
    with pytest.raises(JobError, match="xx-new-1: give --image"):
        find_image("xx-new-1", "ml.g4dn.xlarge")


@pytest.mark.parametrize("instance_type", ["ml.trn1.2xlarge", "ml.inf2.xlarge", "g4dn.xlarge"])
def test_an_instance_that_the_images_do_not_support_is_refused(instance_type: str) -> None:
    with pytest.raises(JobError, match=f"--instance-type {instance_type}: give one with GPUs"):
        find_image("us-east-1", instance_type)


@pytest.mark.parametrize(
    "instance_type", ["ml.p3.2xlarge", "ml.p3dn.24xlarge", "ml.p2.xlarge", "ml.g3.4xlarge"]
)
def test_a_gpu_that_the_image_no_longer_supports_is_refused(instance_type: str) -> None:
    with pytest.raises(JobError, match="CUDA 13, which does not support"):
        find_image("us-east-1", instance_type)
