import pytest

from inference.aws import make_client


def test_a_client_has_its_timeouts_and_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN credentials, which a client would look for in the network otherwise
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    # WHEN a client is created THEN it has the limits
    config = make_client("s3", connect=1.5, read=2.5, attempts=4).meta.config
    assert (config.connect_timeout, config.read_timeout) == (1.5, 2.5)
    assert config.retries == {"mode": "standard", "total_max_attempts": 4}
