"""What is checked before a job starts."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.sagemaker import BEGIN, make_job
from training.sagemaker.job import JobError, JobOptions, name_job

ISOLATED = JobOptions(network_isolation=True, wheels="s3://jobs/wheels")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": "news.csv"}, "--data: 'news.csv' is not an S3 URI"),
        ({"data": "s3://data/folder/"}, "--data: 's3://data/folder/' names no object"),
        ({"role": "training"}, "--role training: give the ARN of a role"),
        ({"base_model": "data"}, "--base-model data: a job cannot read this folder"),
        ({"teachers": "build/one"}, "--teachers names folders on this machine"),
        ({"new_rows": "labelled"}, "--new-rows labelled: a job cannot read"),
        ({"options": ISOLATED}, "cuts the container off from the model hub"),
    ],
)
def test_a_job_that_would_fail_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError, match=message):
        make_job(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_hours": 0}, "greater than 0"),
        ({"max_hours": float("inf")}, "finite"),
        ({"volume_gb": 0}, "greater than or equal to 1"),
        ({"tag": ("team",)}, "give KEY=VALUE"),
        ({"subnets": ("subnet-1",)}, "give both --subnets and --security-groups"),
        ({"security_groups": ("sg-1",)}, "give both --subnets and --security-groups"),
        ({"network_isolation": True}, "cuts the container off from the package index"),
    ],
)
def test_options_outside_their_limits_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        JobOptions(**values)


def test_the_folder_of_a_job_bears_its_name() -> None:
    assert str(make_job(name="news-1").folder) == "s3://jobs/news/news-1"


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("news", "news-20260131-120000"),
        ("my own_texts!", "my-own-texts-20260131-120000"),
        ("—", "job-20260131-120000"),
        ("long" * 20, f"{'long' * 10}-20260131-120000"),
    ],
)
def test_the_name_of_a_job_is_made_of_task_and_time(task: str, name: str) -> None:
    assert name_job(task, BEGIN) == name
