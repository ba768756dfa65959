from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from training.sagemaker.job import JobError, JobOptions
from training.sagemaker.quota import name_quota, require_quota

SPOT = "ml.g4dn.xlarge for spot training job usage"
ON_DEMAND = "ml.g4dn.xlarge for training job usage"


@pytest.fixture
def quotas() -> Iterator[tuple[Any, Stubber]]:
    client = boto3.Session("test", "test", region_name="us-east-1").client("service-quotas")
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()


def list_quotas(stub: Stubber, **values: float) -> None:
    """Expect two calls that list the quotas, a page each; ``spot=0`` is that of spot jobs."""
    names = {"spot": SPOT, "on_demand": ON_DEMAND}
    listed: list[Any] = [
        {"QuotaName": names[name], "QuotaCode": f"L-{name}", "Value": value}
        for name, value in values.items()
    ]
    other = {"QuotaName": "ml.p5.48xlarge for training job usage", "Value": 0.0}
    first = {"Quotas": [other], "NextToken": "more"}
    stub.add_response("list_service_quotas", first, {"ServiceCode": "sagemaker"})
    expected = {"ServiceCode": "sagemaker", "NextToken": "more"}
    stub.add_response("list_service_quotas", {"Quotas": listed}, expected)


def test_a_new_account_is_told_which_quota_to_raise(quotas: tuple[Any, Stubber]) -> None:
    # GIVEN an account that may not use the instance, as new ones may not
    client, stub = quotas
    list_quotas(stub, spot=0, on_demand=1)
    # WHEN a spot job is to start THEN the error names the quota
    with pytest.raises(JobError, match=rf"{SPOT}' \(L-spot\) is 0"):
        require_quota(client, JobOptions())


def test_spot_and_on_demand_jobs_have_their_own_quotas(quotas: tuple[Any, Stubber]) -> None:
    client, stub = quotas
    list_quotas(stub, spot=0, on_demand=1)
    require_quota(client, JobOptions(on_demand=True))
    assert name_quota(JobOptions(on_demand=True)) == ON_DEMAND


def test_who_may_not_read_quotas_is_not_held_up(quotas: tuple[Any, Stubber]) -> None:
    client, stub = quotas
    stub.add_client_error("list_service_quotas", "AccessDeniedException")
    require_quota(client, JobOptions())


def test_another_error_is_not_hidden(quotas: tuple[Any, Stubber]) -> None:
    client, stub = quotas
    stub.add_client_error("list_service_quotas", "ServiceException")
    with pytest.raises(ClientError):
        require_quota(client, JobOptions())
