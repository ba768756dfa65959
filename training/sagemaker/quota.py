"""Check that the account may start a job on the instance type before anything is uploaded.

A new account's quota for most instances with a GPU is 0. SageMaker has one quota for each instance
type and for spot and on-demand jobs, with the names that Service Quotas lists:
https://docs.aws.amazon.com/general/latest/gr/sagemaker.html#limits_sagemaker
"""

from typing import Any

from botocore.exceptions import ClientError

from training.sagemaker.job import JobError, JobOptions

Client = Any  # boto3 builds the methods of its clients at run time

NOT_ALLOWED = ("AccessDenied", "AccessDeniedException")


def require_quota(service_quotas: Client, options: JobOptions) -> None:
    """Refuse a job that the account's quota does not allow.

    A caller who may not read the quotas may go on: SageMaker then refuses the job itself.

    Raises:
        JobError: The quota is 0.
    """
    name = name_quota(options)
    try:
        pages = service_quotas.get_paginator("list_service_quotas").paginate(
            ServiceCode="sagemaker"
        )
        quotas = [quota for page in pages for quota in page["Quotas"] if quota["QuotaName"] == name]
    except ClientError as error:
        if error.response["Error"]["Code"] in NOT_ALLOWED:
            return
        raise
    for quota in quotas:
        if quota["Value"] < 1:
            raise JobError(
                f"the account may not use this instance: its quota {name!r} ({quota['QuotaCode']}) "
                "is 0. Ask for 1 under Service Quotas, Amazon SageMaker, or give another "
                "--instance-type"
            )


def name_quota(options: JobOptions) -> str:
    """Return the name of the quota that a job needs."""
    kind = "training job usage" if options.on_demand else "spot training job usage"
    return f"{options.instance_type} for {kind}"
