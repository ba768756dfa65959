"""Unit tests reach no network."""

import pytest


@pytest.fixture(autouse=True)
def _no_network(socket_disabled: None) -> None:
    """Make opening a socket an error."""
