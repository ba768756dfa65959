from collections.abc import Iterator

import boto3
import pytest

from tests.account import Account, stubbed


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Stubs of CloudFormation and Lambda, which the commands use as their clients."""
    with stubbed() as stubs:
        clients = {"cloudformation": stubs.cloudformation, "lambda": stubs.lambda_}
        monkeypatch.setattr(boto3, "client", clients.__getitem__)
        yield stubs
