from collections.abc import Iterator

import pytest

from tests.account import Account, stubbed


@pytest.fixture
def account() -> Iterator[Account]:
    """A CloudFormation and a Lambda that answer what they are told to and nothing else."""
    with stubbed() as found:
        yield found
