from collections.abc import Iterator

import pytest

from tests.account import Account, stubbed


@pytest.fixture
def account() -> Iterator[Account]:
    """Stubs of CloudFormation and Lambda."""
    with stubbed() as stubs:
        yield stubs
