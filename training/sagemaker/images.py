"""The training images that AWS maintains: one for machines with GPUs, one for CPUs."""

import re

from training.sagemaker.job import JobError

# Both have torch 2.9. There is no Hugging Face image for CPUs.
# https://aws.github.io/deep-learning-containers/reference/available_images/
GPU_IMAGE = "huggingface-pytorch-training:2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04"
CPU_IMAGE = "pytorch-training:2.9.0-cpu-py312-ubuntu22.04-sagemaker"
# The account that owns the images: the same for the older regions, its own for each newer one.
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


# Families whose GPUs (Kepler, Maxwell, Volta) are too old for CUDA 13, which the GPU image has.
# https://docs.nvidia.com/cuda/archive/13.0.0/cuda-toolkit-release-notes/
TOO_OLD = ("g3", "g3s", "p2", "p3", "p3dn")


def find_image(region: str, instance_type: str) -> str:
    """Find the AWS image for an instance type.

    Raises:
        JobError: no image is known for this region, or none supports this instance type.
    """
    family = re.match(r"ml\.([a-z]+)(\w*)\.", instance_type)
    if family and "".join(family.groups()) in TOO_OLD:
        raise JobError(
            f"--instance-type {instance_type}: the AWS image has CUDA 13, which does not support "
            "its GPU; choose a newer one, such as ml.g4dn.xlarge, or give --image"
        )
    if not family or family[1] in ("trn", "inf"):
        raise JobError(
            f"--instance-type {instance_type}: give one with GPUs or only CPUs, as ml.g4dn.xlarge"
        )
    if region not in IMAGE_ACCOUNTS:
        raise JobError(f"no AWS image is known for the region {region}: give --image")
    image = GPU_IMAGE if family[1] in ("g", "p") else CPU_IMAGE
    return f"{IMAGE_ACCOUNTS[region]}.dkr.ecr.{region}.amazonaws.com/{image}"
